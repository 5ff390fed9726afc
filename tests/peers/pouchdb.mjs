// PouchDB with pouchdb-server: one document an entry, and one for each part of a base record that is changed by itself.
//
//   node pouchdb.mjs hub   --data DIR --port N
//   node pouchdb.mjs seed  --hub URL  --lines FILE,..      what the hub holds
//   node pouchdb.mjs write --data DIR --lines FILE         entries written with the line down
//   node pouchdb.mjs sync  --data DIR --hub URL --told FILE [--write FILE --count N] [--watch N]
//   node pouchdb.mjs homes --data DIR --hub URL --told FILE --write FILE --homes N --residents N
//
// With `--residents N`, `seed` says of every document whose home's it is.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { homeOf, lines, nowNs, options, sleep, tell, writeInTurn } from './told.mjs'

const require = createRequire(import.meta.url)
const PouchDB = require('pouchdb')
const asked = options()
const GAP_MS = 50
const BATCH = 100
/** Whether a document is a home's, as the server asks for each. */
const OF_A_HOME = 'function (doc, req) { return String(doc.home) === String(req.query.home) }'

/** The documents of a line of work. */
function documents(line) {
  if (line.k !== 'resident') return [{ _id: line.id, ...line }]
  const { careplan, medicines, ...rest } = line
  return [
    { _id: `${line.r}:resident`, ...rest },
    { _id: `${line.r}:careplan`, ...careplan },
    ...medicines.map((medicine, i) => ({ _id: `${line.r}:medicine:${i}`, ...medicine })),
  ]
}

/** Writes a change of a document that is there: the last one wins. */
async function change(db, line) {
  if (line.k === 'med') {
    const doc = await db.get(`${line.r}:medicine:${line.i}`)
    return db.put({ ...doc, dose: line.dose, instructions: line.instructions })
  }
  if (line.k === 'cp') {
    const doc = await db.get(`${line.r}:careplan`)
    const text = doc[line.f]
    return db.put({ ...doc, [line.f]: text.slice(0, line.pos) + line.ins + text.slice(line.pos + line.del) })
  }
  return db.put({ _id: line.id, ...line })
}

async function writeAll(db, all) {
  const fresh = all.filter(line => line.k !== 'med' && line.k !== 'cp').flatMap(documents)
  for (let i = 0; i < fresh.length; i += 500) await db.bulkDocs(fresh.slice(i, i + 500))
  for (const line of all) if (line.k === 'med' || line.k === 'cp') await change(db, line)
}

function local() {
  fs.mkdirSync(asked.data, { recursive: true })
  return new PouchDB(`${asked.data}/records`)
}

/** The server's own command, in this process. */
function hub() {
  fs.mkdirSync(asked.data, { recursive: true })
  process.chdir(asked.data)
  process.argv = [process.argv[0], 'pouchdb-server', '--port', asked.port, '--host', '127.0.0.1', '--dir', asked.data, '--no-stdout-logs']
  require('pouchdb-server/bin/pouchdb-server')
}

async function seed() {
  const db = new PouchDB(`${asked.hub}/records`)
  if (!asked.residents) return writeAll(db, lines(asked.lines))
  await db.put({ _id: '_design/home', filters: { of: OF_A_HOME } })
  const all = lines(asked.lines).flatMap(line => {
    const home = homeOf(line.r, asked.residents)
    return documents(line).map(document => ({ ...document, home }))
  })
  for (let i = 0; i < all.length; i += 500) await db.bulkDocs(all.slice(i, i + 500))
}

async function write() {
  const db = local()
  await writeAll(db, lines(asked.lines))
  await db.close()
}

async function sync() {
  const [db, remote] = [local(), new PouchDB(`${asked.hub}/records`)]
  const once = { batch_size: BATCH }
  await PouchDB.replicate(remote, db, once)
  await PouchDB.replicate(db, remote, once)
  const told = { level_ns: nowNs(), written: [], seen: [] }
  const lasting = { live: true, retry: true, ...once }
  if (asked.watch) {
    PouchDB.replicate(remote, db, lasting)
    db.changes({ live: true, since: 'now' }).on('change', change => told.seen.push({ id: change.id, at_ns: nowNs() }))
  }
  if (asked.write) PouchDB.replicate(db, remote, lasting)
  await sleep(100)
  tell(asked.told, told)
  if (asked.write) {
    for (const line of lines(asked.write).slice(0, Number(asked.count))) {
      await sleep(GAP_MS)
      const started_ns = nowNs()
      await change(db, line)
      told.written.push({ id: line.id, started_ns, saved_ns: nowNs() })
    }
  }
  while (asked.watch && told.seen.length < Number(asked.watch)) await sleep(20)
  tell(asked.told, told)
  setInterval(() => {}, 1 << 30)
}

/** Many homes in one program, each with a database and replications of its own. */
async function homes() {
  fs.mkdirSync(asked.data, { recursive: true })
  const count = Number(asked.homes)
  const all = await Promise.all(
    Array.from({ length: count }, async (_, home) => {
      const [db, remote] = [new PouchDB(`${asked.data}/home-${home}`), new PouchDB(`${asked.hub}/records`)]
      const own = { batch_size: BATCH, filter: 'home/of', query_params: { home } }
      await PouchDB.replicate(remote, db, own)
      await PouchDB.replicate(db, remote, { batch_size: BATCH })
      return { db, remote, own, pushed: 0 }
    })
  )
  const level_ns = nowNs()
  for (const home of all) {
    const lasting = { live: true, retry: true }
    PouchDB.replicate(home.remote, home.db, { ...home.own, ...lasting })
    const push = PouchDB.replicate(home.db, home.remote, { batch_size: BATCH, ...lasting })
    push.on('change', info => (home.pushed = info.docs_written))
  }
  tell(asked.told, { level_ns })
  const work = lines(asked.write)
  const spell = await writeInTurn(work, count, line => {
    const home = homeOf(line.r, asked.residents)
    return all[home].db.put({ _id: line.id, ...line, home })
  })
  while (all.reduce((sum, { pushed }) => sum + pushed, 0) < work.length) await sleep(5)
  tell(asked.told, { level_ns, spell: { ...spell, done_ns: nowNs() } })
  setInterval(() => {}, 1 << 30)
}

await { hub, seed, write, sync, homes }[process.argv[2]]()
