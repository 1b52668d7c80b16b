// node --conditions=nerva-source tests/e2e/from-ai-sdk-kill.ts --kills 50 --seed 1
import { parseArgs } from 'node:util';
import { killAfter } from './from-ai-sdk-run.ts';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } } });
const { kills, invoices, repeats, problems } = await killAfter({ kills: Number(values.kills), seed: Number(values.seed) });
console.log(`${kills} kills, ${invoices} sessions, ${repeats} calls made again, ${problems.length} problems`);
for (const problem of problems) console.log(`  ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
