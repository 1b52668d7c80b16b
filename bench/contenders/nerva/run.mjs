// --store none (the agent's own memory) | sqlite ; --variant thread moves the store's writer into a worker thread
// NERVA_ROOT names the package, or a checkout that holds it; the built files are loaded. Default: this checkout.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { contend } from '../../lib/harness.mjs'
import { SYSTEM, ADD, DELEGATE } from '../../lib/tasks.mjs'

const given = process.env.NERVA_ROOT || fileURLToPath(new URL('../../..', import.meta.url))
const root = existsSync(join(given, 'packages/nerva')) ? join(given, 'packages/nerva') : given
const load = createRequire(join(root, 'package.json'))
const { createAgent, createRuntime, nodeWorld, openaiChat, openStore, tool } = await import(pathToFileURL(load.resolve('nerva')))

const NUM = { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } }, required: ['a', 'b'], additionalProperties: false }
const TASK = { type: 'object', properties: { task: { type: 'string' } }, required: ['task'] }

await contend({
  name: 'nerva', versions: { nerva: load('./package.json').version },
  async setup(ctx) {
    const world = nodeWorld({ http: { socketsMax: 20_000 } }) // as many calls in flight as there are sessions
    const model = openaiChat({ model: 'mock', baseUrl: ctx.baseURL, apiKey: 'x' })
    const make = (name, only) => createAgent({ name, model, instructions: SYSTEM, stepsMax: 200, tools: [only] })
    const add = tool({ name: ADD.name, description: ADD.description, inputSchema: NUM, effect: 'read', execute: ADD.execute })
    const analyst = make('analyst', add)
    const delegate = tool({ name: DELEGATE.name, description: DELEGATE.description, inputSchema: TASK, effect: 'idempotent', execute: ({ task }) => DELEGATE.execute(task, async t => (await ask('analyst', t).result).text) })
    const agents = { analyst, lead: make('lead', delegate) }
    const isDurable = ctx.durable && ctx.store !== 'none'
    const url = isDurable ? `file:${join(ctx.dir, 'nerva.db')}` : 'memory:'
    // Held calls (W5) need a world with more sockets than a loose agent's; else without a store the agent is asked as it is.
    const store = isDurable || ctx.w.hold ? await openStore(url, { world, ...(ctx.variant === 'thread' ? { writer: 'thread' } : {}) }) : null
    const runtime = store ? await createRuntime({ store, world, agents: Object.values(agents) }) : null
    const ask = (name, text) => runtime ? runtime.session(undefined, { agent: name }).send(text) : agents[name].stream(text)
    return {
      async run(i, o) {
        const run = ask(ctx.w.fan ? 'lead' : 'analyst', ctx.prompt(i, o))
        if (!ctx.stream) return { text: (await run.result).text }
        const t0 = performance.now()
        let text = '', firstMs
        for await (const piece of run.textStream) { firstMs ??= performance.now() - t0; text += piece }
        return { text, firstMs }
      },
      async close() { await runtime?.close(); await store?.close(); await world.transport.close() },
    }
  },
})
