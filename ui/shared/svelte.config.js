// Svelte's own options for the shared components.
export default { compilerOptions: { runes: true } };
