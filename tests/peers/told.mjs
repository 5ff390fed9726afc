// What the programs of the peers share: arguments, lines of work, and the file in which a program tells what it did.

import diagnostics from 'node:diagnostics_channel'
import fs from 'node:fs'

const open = new Set()
const closed = { up: 0, down: 0 }

function count(bytes, socket) {
  bytes.up += socket.bytesWritten ?? 0
  bytes.down += socket.bytesRead ?? 0
  return bytes
}

diagnostics.subscribe('net.client.socket', ({ socket }) => {
  open.add(socket)
  socket.once('close', () => {
    if (open.delete(socket)) count(closed, socket)
  })
})

/** The payload that all connections of this program have carried, those that are closed included. */
const bytes = () => [...open].reduce(count, { ...closed })

/** The arguments `--name value` behind the role. */
export function options() {
  const found = {}
  const given = process.argv.slice(3)
  for (let i = 0; i < given.length; i += 2) found[given[i].slice(2)] = given[i + 1]
  return found
}

/** The clock since boot, in nanoseconds, as all processes of a machine see it. */
export const nowNs = () => Number(process.hrtime.bigint())

/** The objects of files with one JSON object a line. */
export function lines(files) {
  return files.split(',').flatMap(file => fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map(JSON.parse))
}

/** The home of a resident whose name is a letter and a number. */
export const homeOf = (resident, residents) => Math.floor(Number(resident.slice(1)) / residents)

/** Lets homes write, each once a second, by turns; when the first and the last wrote. */
export async function writeInTurn(all, homes, write) {
  await sleep(1000)
  const begun = Date.now()
  const begun_ns = nowNs()
  let last_ns = begun_ns
  for (const [i, line] of all.entries()) {
    const wait = begun + (i * 1000) / homes - Date.now()
    if (wait > 0) await sleep(wait)
    last_ns = nowNs()
    await write(line)
  }
  return { begun_ns, last_ns }
}

/** Writes what is told; whoever reads sees all of it or nothing. */
export function tell(file, { level_ns, written = [], seen = [], spell }) {
  fs.writeFileSync(`${file}.part`, JSON.stringify({ level_ns, written, seen, bytes: bytes(), spell }))
  fs.renameSync(`${file}.part`, file)
}

export const sleep = ms => new Promise(done => setTimeout(done, ms))
