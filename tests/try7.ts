import { PACKS, REFERENCE } from './scenarios/index.ts';
console.log(REFERENCE.map((s) => s.name).join(' '), '|', PACKS.map((s) => s.name).join(' '));
