//! Claims about saving, importing and finding.

use std::collections::BTreeMap;

use daftar_core::change::Op;
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};

use super::world::{Hq, PIN, c, files, id, open, set, stop};
use crate::Error;
use crate::draft::Draft;
use crate::vault::{Act, EncounterQuery, Imported};

fn team() -> daftar_core::compartment::Compartment {
    c("team/imt-1")
}

#[test]
fn what_was_saved_is_there_after_a_new_start_with_the_three_answers_apart() {
    let tablet = Hq::new().tablet(1, &["team/imt-1"]);
    let mut act = stop(1, "01 A 123 BC", "Yusupov");
    act.set.insert(Path::Field(43), Value::Null);
    act.set.insert(Path::Field(25), Value::List(Vec::new()));
    let unknown = Value::Raw(vec![0x83, 0xc1, 0xfb, 0x41, 0xd9, 0xed, 0x92, 0xc0, 0x20, 0, 0, 0xa0, 0x18, 0]);
    act.set.insert(Path::Field(9001), unknown.clone());
    let saved = tablet.store.save(&act).expect("saved");
    assert_eq!(saved.number.as_deref(), Some("IMT-1-2026-100001"));
    tablet.store.save(&set(1, Path::Field(45), Value::Text("green".into()))).expect("amended");
    let (dir, handle) = (tablet.dir, tablet.handle);
    drop(tablet.store);
    let store = open(dir.path()).expect("free").unlock(&handle, PIN).expect("opens");
    let view = store.show(&team(), &id(1)).expect("there");
    let data = serde_json::Value::from(view.item.data());
    assert_eq!(data["vehicle"]["make"], serde_json::Value::Null);
    assert!(data["vehicle"].as_object().is_some_and(|v| v.contains_key("make") && !v.contains_key("model")), "null is not absence: {data}");
    assert_eq!(data["zones"], serde_json::json!([]));
    assert_eq!(view.item.state.fields.get(&Path::Field(9001)), Some(&unknown), "unknown fields keep their bytes");
    assert_eq!(view.history.iter().map(|h| h.op).collect::<Vec<_>>(), [Op::Create, Op::Amend]);
    assert_eq!(store.waiting().expect("counted"), 2);
    assert_eq!(store.verify().expect("checked").bad, []);
}

#[test]
fn an_equal_record_is_skipped_a_different_one_refused_and_no_grant_is_named() {
    let store = Hq::new().tablet(1, &["team/imt-1"]).store;
    let one = stop(1, "01 A 123 BC", "Yusupov");
    let other = stop(1, "01 A 124 BC", "Yusupov");
    let outcomes = store.import(&team(), &[one.clone(), one.clone(), other, stop(2, "x", "y")]).expect("one transaction");
    assert!(
        matches!(outcomes[..], [Imported::Saved(_), Imported::Same, Imported::Refused(Error::Input(_)), Imported::Saved(_)]),
        "{outcomes:?}"
    );
    store.save(&set(1, Path::Field(45), Value::Text("green".into()))).expect("amended");
    assert!(matches!(store.import(&team(), &[one]).expect("read")[..], [Imported::Same]), "what was amended since is the same record");
    let e = store.import(&c("team/imt-2"), &[stop(3, "x", "y")]).expect_err("no grant");
    assert!(e.to_string().contains("team/imt-2"), "{e}");
    assert!(!store.show(&team(), &id(2)).expect("there").item.state.fields.contains_key(&Path::Field(1)), "an import numbers nothing");
}

#[test]
fn what_headquarters_said_twice_of_a_grant_is_no_officers_decision() {
    let mut hq = Hq::new();
    let store = hq.tablet(1, &["team/imt-1"]).store;
    store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    store.apply(&team(), &[hq.grant_item(&team(), super::world::officer_id(1), None)], None).expect("applied");
    let vault = store.vault(&team()).expect("open");
    assert_eq!(vault.conn().execute("UPDATE record SET conflicts = 1", []).expect("a table"), 2, "the stop and the grant");
    let open: Vec<Kind> = store.in_conflict().expect("listed").iter().map(|item| item.kind).collect();
    assert_eq!((open, store.counts(&team()).expect("counted").conflicts), (vec![Kind::Inspection], 1));
}

#[test]
fn what_decides_the_audience_and_what_is_in_conflict_is_not_amended() {
    let store = Hq::new().tablet(1, &["team/imt-1"]).store;
    store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let e = store.save(&set(1, Path::Field(2), Value::Text("imt-2".into()))).expect_err("the team stays");
    assert!(e.to_string().contains("`team`"), "{e}");
    assert!(matches!(store.save(&stop(1, "x", "y")), Err(Error::Amend(_))), "it exists");
    assert!(matches!(store.save(&set(9, Path::Field(45), Value::Null)), Err(Error::NoRecord(_))));
    let heads = store.show(&team(), &id(1)).expect("there").item.state.heads;
    for colour in ["green", "red"] {
        let mut act = set(1, Path::Field(45), Value::Text(colour.into()));
        act.parents = Some(heads.clone());
        store.save(&act).expect("two forms that were opened at the same time");
    }
    assert_eq!(store.counts(&team()).expect("counted").conflicts, 1);
    let e = store.save(&set(1, Path::Field(45), Value::Null)).expect_err("that is a decision");
    assert!(e.to_string().contains("vehicle.colour"), "{e}");
    let mut decide = set(1, Path::Field(45), Value::Text("red".into()));
    decide.op = Op::Resolve;
    store.save(&decide).expect("decided");
    assert_eq!(store.counts(&team()).expect("counted").conflicts, 0);
    store.save(&Act::on(team(), id(1), Op::Void, BTreeMap::new())).expect("voided");
    assert_eq!(store.list(&[Kind::Inspection], None, 10).expect("listed").items.len(), 0);
    assert_eq!(store.verify().expect("checked").bad, []);
}

#[test]
fn names_and_plates_are_found_across_scripts_and_only_where_they_are() {
    let store = Hq::new().tablet(1, &["team/imt-1"]).store;
    store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    store.save(&stop(2, "30 B 777 AA", "Toshmatov")).expect("saved");
    for text in ["Юсупов", "Iusupov", "yusup", "01A123BC", "123"] {
        let found: Vec<_> = store.search(text, None, 10).expect("searched").into_iter().map(|i| i.record).collect();
        assert_eq!(found, [id(1)], "{text}");
    }
    store.save(&set(2, Path::Field(41), Value::Text("01 A 123 BC".into()))).expect("amended");
    let seen = store.encounters(&EncounterQuery::Plate("01а123вс".into()), 10).expect("asked");
    assert_eq!(seen.iter().map(|e| e.item.record).collect::<Vec<_>>(), [id(2), id(1)], "the latest first, whatever letters were typed");
    assert_eq!(store.search("777", None, 10).expect("searched").len(), 0, "what was amended away is not found any more");
}

#[test]
fn lists_page_without_losing_or_repeating_a_record() {
    let store = Hq::new().tablet(1, &["team/imt-1", "agency/moi/imt-1"]).store;
    for n in 0..20 {
        let mut act = stop(n, "x", "y");
        act.set.insert(Path::Field(5), Value::Int(i64::from(n / 5)));
        act.compartment = if n % 2 == 0 { team() } else { c("agency/moi/imt-1") };
        store.save(&act).expect("saved");
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.list(&[Kind::Inspection], after.as_ref(), 3).expect("listed");
        seen.extend(page.items.iter().map(|i| (i.state.fields[&Path::Field(5)].clone(), i.record)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.windows(2).all(|w| w[0].0 >= w[1].0), "the latest first");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 20);
}

#[test]
fn no_file_holds_json_or_a_name_in_clear() {
    let tablet = Hq::new().tablet(1, &["team/imt-1", "operation/op-shamol"]);
    tablet.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let form = b"{\"family_name\":\"Yusupov\"}".to_vec();
    let draft = Draft { record: id(2), kind: Kind::Inspection, compartment: None, amends: false, form, kept_ms: 1 };
    tablet.store.own().keep_draft(&draft).expect("kept");
    tablet.store.search("Yusupov", None, 1).expect("indexed");
    let all = files(tablet.dir.path());
    assert!(all.len() > 4);
    for (name, bytes) in all {
        // Two bytes alone are found in random ones too.
        for word in ["Yusupov", "{\"family", "01 A 123", "op-shamol", "team/"] {
            assert!(!bytes.windows(word.len()).any(|w| w == word.as_bytes()), "{name} holds `{word}`");
        }
    }
}

#[test]
fn a_full_disk_saves_nothing_loses_nothing_and_says_so() {
    let store = Hq::new().tablet(1, &["team/imt-1"]).store;
    store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let form = vec![b'x'; 100];
    store
        .own()
        .keep_draft(&Draft { record: id(2), kind: Kind::Inspection, compartment: Some(team()), amends: false, form, kept_ms: 1 })
        .expect("kept");
    let vault = store.vault(&team()).expect("open");
    let pages: i64 = vault.conn().query_row("PRAGMA page_count", [], |r| r.get(0)).expect("counted");
    vault.conn().query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(())).expect("set");
    let mut big = stop(2, "x", "y");
    big.set.insert(Path::Field(13), Value::Text("ю".repeat(8000)));
    assert!(matches!(store.save(&big), Err(Error::StorageFull)));
    assert!(store.own().draft(&id(2)).expect("read").is_some(), "the draft is kept");
    vault.conn().query_row("PRAGMA max_page_count=100000", [], |_| Ok(())).expect("set");
    assert_eq!(store.save(&big).expect("room again").n, 2, "the stream has no gap");
    assert_eq!(store.verify().expect("checked").bad, []);
}

#[test]
fn a_form_saves_what_differs_from_what_was_opened_and_overwrites_nobody() {
    let store = Hq::new().tablet(1, &["team/imt-1"]).store;
    store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let opened = store.show(&team(), &id(1)).expect("there").item;
    store.save(&set(1, Path::Field(45), Value::Text("green".into()))).expect("another's amendment");
    let mut form = opened.data();
    form["vehicle"]["make"] = "MAN".into();
    form["persons"] = serde_json::json!([{"key": 7, "family_name": "Toshmatov"}]);
    form.insert("documents".into(), serde_json::json!([{"key": 1, "holder": 7, "type": "passport"}]));
    store.amend_form(&team(), id(1), &opened.state.heads, &form, None).expect("saved");
    let view = store.show(&team(), &id(1)).expect("there");
    let data = serde_json::Value::from(view.item.data());
    assert_eq!((&data["vehicle"]["make"], &data["vehicle"]["colour"]), (&"MAN".into(), &"green".into()), "{data}");
    assert_eq!(data["persons"].as_array().map(Vec::len), Some(1), "one person went, one came: {data}");
    assert_eq!(view.conflicts, []);
    // The person who came has a key of another form now; the same form again changes nothing.
    let again = store.amend_form(&team(), id(1), &view.item.state.heads, &view.item.data(), None);
    assert!(matches!(again, Err(Error::Amend(daftar_core::merge::AmendError::Nothing))), "{again:?}");
    // A list that was emptied is emptied once.
    let mut form = view.item.data();
    form["persons"] = serde_json::json!([]);
    store.amend_form(&team(), id(1), &view.item.state.heads, &form, None).expect("saved");
    let view = store.show(&team(), &id(1)).expect("there");
    assert!(!view.item.state.fields.contains_key(&Path::Field(29)), "the list itself has no value");
    let again = store.amend_form(&team(), id(1), &view.item.state.heads, &view.item.data(), None);
    assert!(matches!(again, Err(Error::Amend(daftar_core::merge::AmendError::Nothing))), "{again:?}");
}
