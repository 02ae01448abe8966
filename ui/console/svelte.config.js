// Svelte's own options, for Vite and svelte-check alike.
export default { compilerOptions: { runes: true } };
