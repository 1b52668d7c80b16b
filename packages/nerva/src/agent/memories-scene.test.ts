import { memoryStore, type KeyPort } from '../log/index.ts';
import { openMemory, type Memory } from '../memory/index.ts';
import { scriptedModel, type Message, type ModelRequest } from '../model/index.ts';
import { conversationModel, testWorld, type CutScenario } from '../testing/index.ts';
import { createAgent, createRuntime, type AgentOptions, type Session } from './index.ts';
import { items } from './list.ts';
import { all } from './session-scene.test.ts';

/** The words of a message. */
export const textIn = ({ parts }: Message): string => parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
/** What memories say in a request. */
export const notesIn = ({ messages }: ModelRequest): readonly string[] => messages.filter(({ origin }) => origin === 'tool').map(textIn);

/** Memories of these scopes, in this order, and an agent that has them all. */
export async function staged(scopes: Readonly<Record<string, { readonly subject?: string }>>, keys?: KeyPort) {
  const world = testWorld();
  const store = memoryStore({ world, ...(keys === undefined ? {} : { keys }) });
  const memories = await Promise.all(Object.entries(scopes).map(([scope, more]) => openMemory({ store, world, scope, ...more })));
  const requests: ModelRequest[] = [];
  const model = scriptedModel((request) => (requests.push({ ...request, messages: [...request.messages] }), 'Yes.'));
  const session = (
    memory: AgentOptions['memory'] = memories.map((of) => ({ of })),
    more: Partial<AgentOptions> & { sid?: string } = {},
  ) => {
    const { sid = 's', ...options } = more;
    const agent = createAgent({ name: 'a', instructions: 'Be kind.', model, ...(memory === undefined ? {} : { memory }), ...options });
    return createRuntime({ store, world, agents: [agent] }).session(sid, { agent: 'a' });
  };
  return { world, store, memories: memories as readonly Memory[] as readonly [Memory, Memory], requests, model, session };
}

/** A user's memory and that of a team. */
export const two = (keys?: KeyPort, subjects: { readonly ada?: string; readonly desk?: string } = {}) =>
  staged(
    {
      'user:ada': subjects.ada === undefined ? {} : { subject: subjects.ada },
      'team:desk': subjects.desk === undefined ? {} : { subject: subjects.desk },
    },
    keys,
  );

/** An event, its data read as a test likes. */
interface Said {
  readonly seq: number;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}
/** The log of a session. */
export const logOf = async (session: Session): Promise<readonly Said[]> => (await all(session.log())) as unknown as readonly Said[];
/** Events of a type. */
export const typed = async (session: Session, type: string): Promise<readonly Said[]> =>
  (await logOf(session)).filter((one) => one.type === type);

/** An agent with this memory that is asked three things and compacts after each, for cutting it anywhere. */
export const thrice = (memory: () => NonNullable<AgentOptions['memory']>): Pick<CutScenario, 'agents' | 'run' | 'outcomeOf'> => ({
  agents: () => [
    createAgent({
      name: 'a',
      model: conversationModel(['One.', 'Two.', 'Three.']),
      memory: memory(),
      context: { turnsMax: 1, model: scriptedModel(({ messages }) => `Summary of ${messages.map(textIn).join('').length}.`) },
    }),
  ],
  run: async (runtime) => {
    const session = runtime.session('s', { agent: 'a' });
    for (const [n, text] of ['Who is Ada?', 'Where does Ada live?', 'Thanks.'].entries()) await session.send(text, { id: `m${n}` }).result;
  },
  outcomeOf: ({ turn, memory: { parts } }) => [turn.last?.text, items(turn.messages).map(textIn), parts],
});
