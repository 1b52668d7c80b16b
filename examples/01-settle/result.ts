import type { Run } from './contender.ts';
import type { Replay } from './job.ts';
import type { Tally } from './ledger.ts';
import type { Decision } from './rules.ts';

/** A contender's line of the result: the money from the bank's ledger, the rest from who ran it. */
export interface Side extends Tally, Omit<Run, 'statuses' | 'replay'> {}

/** Everything `--json` prints. */
export interface Result {
  /** Nerva paid everything due, nothing twice, and every session is settled or waits. */
  readonly ok: boolean;
  readonly reports: number;
  readonly seed: number;
  readonly decided: string;
  /** What the rules say, counted without Nerva. */
  readonly rules: Readonly<Record<Decision['type'], number>>;
  readonly nerva: Side;
  readonly loop: Side;
  /** Nerva's sessions by how their turn ended. */
  readonly sessions: Readonly<Record<string, number>>;
  readonly replay: Replay;
  readonly files: { readonly ledger: string; readonly store: string };
}

/** The table and what follows it, as text without colours. */
export function formatResult(result: Result): string {
  const { nerva, loop } = result;
  const row = (name: string, value: (side: Side) => string): string =>
    `  ${name.padEnd(20)}${value(nerva).padStart(22)}${value(loop).padStart(22)}`;
  const again = (side: Side): string => (side.paidTwice === 0 ? '0' : `${count(side.paidTwice)} (${count(side.paidTwiceUsd)} USD)`);
  const { rules } = result;
  const waiting = rules.approve + rules.unclear;
  return [
    '',
    `What the bank's ledger says   (${result.files.ledger})`,
    '',
    `  ${''.padEnd(20)}${'Nerva'.padStart(22)}${'hand-written loop'.padStart(22)}`,
    row('paid', (side) => count(side.paid)),
    row('paid, USD in all', (side) => count(side.paidUsd)),
    row('paid twice', again),
    row('lost', (side) => count(side.lost)),
    row('closed', (side) => count(side.closed)),
    row('steps repeated', (side) => count(side.repeated)),
    '',
    row('killed', (side) => count(side.kills)),
    row(' before a result', (side) => count(side.killsBetween)),
    row('time', (side) => `${(side.wallMs / 1000).toFixed(1)} s`),
    '',
    'Killed before a result: after a payment was in the ledger, before its result was recorded. Time includes the restarts.',
    'Steps repeated are closings asked for again after a kill (closing twice does no harm, so both sides simply ask again) and payments made twice.',
    'The loop would be safe if it asked the bank about every payment in progress after every kill. That is what Nerva does, for the few in doubt.',
    '',
    `${capital(result.decided)}.`,
    `The rules close ${count(rules.close)}, pay ${count(rules.pay)}, and leave ${count(waiting)}: ${count(rules.approve)} payments wait for approval, ${count(rules.unclear)} reports are unclear.`,
    `Replayed ${count(result.replay.sessions)} sessions from their logs in ${(result.replay.ms / 1000).toFixed(1)} s, without a live call: ${count(result.replay.decisions)} decisions made again, ${count(result.replay.diverged)} sessions differ.`,
    '',
    'Look further:',
    `  npm run -s nerva -- sessions --status waiting --store ${result.files.store}`,
    `  npm run -s nerva -- show <session> --store ${result.files.store}`,
    `  npm run -s nerva -- approve <session> <call> --store ${result.files.store}`,
    result.ok
      ? ''
      : `\nNOT RIGHT: Nerva paid ${nerva.paidTwice} twice, lost ${nerva.lost}; sessions: ${JSON.stringify(result.sessions)}, by the rules ${waiting} should wait`,
  ].join('\n');
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
