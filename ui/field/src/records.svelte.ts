// What is searched for on the records screen, kept while other screens are open. Holds no record.
class Records {
  text = $state("");
  kind = $state<string | null>(null);
  /** Whether the search line takes the focus when the screen opens. */
  focus = false;
}

export const records = new Records();
