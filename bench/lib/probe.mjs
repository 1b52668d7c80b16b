// Loaded into a contender with --import by steps.mjs: times the steps of its runs and watches its event loop.
// Says what it saw in the file PROBE_FILE when the process exits.
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { writeFileSync } from 'node:fs'
import { ADD } from './tasks.mjs'

const warm = Number(process.env.PROBE_WARM_CALLS), perRun = Number(process.env.PROBE_CALLS_PER_RUN), thinkMs = Number(process.env.PROBE_THINK_MS)
const delay = monitorEventLoopDelay({ resolution: 1 }), stepMs = [], execute = ADD.execute
let calls = 0, last = 0
ADD.execute = input => {
  const now = performance.now()
  if (calls === warm) delay.enable()
  // From one tool call to the next of the same run: one model call and all that goes with it. Meaningful one run at a time.
  if (calls > warm && calls % perRun !== 0) stepMs.push(now - last - thinkMs)
  calls++
  last = now
  return execute(input)
}
process.on('exit', () => {
  stepMs.sort((x, y) => x - y)
  const at = p => stepMs[Math.min(stepMs.length - 1, Math.ceil(p * stepMs.length) - 1)]
  writeFileSync(process.env.PROBE_FILE, JSON.stringify({ steps: stepMs.length, stepP50Ms: at(0.5), stepP99Ms: at(0.99), loopP50Ms: delay.percentile(50) / 1e6, loopP99Ms: delay.percentile(99) / 1e6, loopMaxMs: delay.max / 1e6 }))
})
