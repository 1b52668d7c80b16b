import { FAULTS, type Fault, type Plan } from './faults.ts';
import type { Scenario, Step } from './scenario.ts';

/** A fault as people read it: where, the how-manieth visit, what happens. */
export function faultLine({ point, kind, occurrence }: Fault): string {
  return `${kind} at visit ${occurrence} of ${point}: ${FAULTS[kind].help}`;
}

/** A step as people read it. */
export function stepLine(step: Step): string {
  const at = `${step.atMs} ms: `;
  switch (step.type) {
    case 'send':
      return `${at}send to ${step.sid}${step.process === undefined ? '' : ` at process ${step.process}`}${step.deliver === undefined ? '' : ` (${step.deliver})`}: ${JSON.stringify(step.data ?? step.text ?? '')}`;
    case 'fork':
      return `${at}fork ${step.sid} as ${step.as} (${step.effects}) and send it: ${JSON.stringify(step.text)}`;
    case 'erase':
      return `${at}erase ${step.subject}`;
    case 'crash':
    case 'restart':
      return `${at}${step.type} the newest process`;
    default:
      return `${at}${step.type} ${step.sid}`;
  }
}

/** The steps of a scenario under a seed. */
export function stepsOf({ steps }: Pick<Scenario, 'steps'>, seed: number): readonly Step[] {
  return typeof steps === 'function' ? steps(seed) : steps;
}

/** A plan as it is written in a program or on a command line. */
export function planText(plan: Plan): string {
  return JSON.stringify(plan.map(({ point, kind, occurrence }) => ({ point, kind, occurrence })));
}
