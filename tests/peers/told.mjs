// What the programs of the peers share: arguments, lines of work, and the file in which a program tells what it did.

import fs from 'node:fs'

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

/** Writes what is told; whoever reads sees all of it or nothing. */
export function tell(file, { level_ns, written = [], seen = [] }) {
  fs.writeFileSync(`${file}.part`, JSON.stringify({ level_ns, written, seen }))
  fs.renameSync(`${file}.part`, file)
}

export const sleep = ms => new Promise(done => setTimeout(done, ms))
