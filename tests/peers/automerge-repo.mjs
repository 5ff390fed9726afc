// automerge-repo as its sync server and its clients use it: one document a resident, one change an entry.
//
//   node automerge-repo.mjs hub   --data DIR --port N
//   node automerge-repo.mjs seed  --data DIR --lines FILE,.. --urls FILE     documents made from base records and entries
//   node automerge-repo.mjs write --data DIR --lines FILE    --urls FILE     entries written with the line down
//   node automerge-repo.mjs sync  --data DIR --hub URL --urls FILE --told FILE [--write FILE --count N] [--watch N]
//   node automerge-repo.mjs homes --hub URL --urls FILE --told FILE --write FILE --homes N --residents N

import fs from 'node:fs'
import * as A from '@automerge/automerge'
import { Repo } from '@automerge/automerge-repo'
import { WebSocketClientAdapter, WebSocketServerAdapter } from '@automerge/automerge-repo-network-websocket'
import { NodeFSStorageAdapter } from '@automerge/automerge-repo-storage-nodefs'
import { WebSocketServer } from 'ws'
import { homeOf, lines, nowNs, options, sleep, tell, writeInTurn } from './told.mjs'

const asked = options()
const GAP_MS = 50

/** A string that nobody edits letter by letter. */
const whole = value => (typeof value === 'string' ? new A.ImmutableString(value) : value)
const wholes = object => Object.fromEntries(Object.entries(object).map(([k, v]) => [k, whole(v)]))

const store = () => new NodeFSStorageAdapter(asked.data)

/** A flush that returns writes the snapshots once more beside the throttled saves; what they truncate is whole after. */
async function settle(repo) {
  await repo.flush()
  await sleep(1500)
}

function begin(base) {
  return {
    r: whole(base.r),
    demographics: { ...wholes(base.demographics), nok: base.demographics.nok.map(wholes) },
    allergies: base.allergies.map(wholes),
    medicines: base.medicines.map(m => ({ ...wholes(m), times: m.times.map(whole) })),
    careplan: base.careplan,
    entries: {},
  }
}

/** Writes an entry or a change made elsewhere into a resident's document. */
function apply(doc, line) {
  if (line.k === 'med') {
    doc.medicines[line.i].dose = whole(line.dose)
    doc.medicines[line.i].instructions = whole(line.instructions)
  } else if (line.k === 'cp') {
    const length = doc.careplan[line.f].length
    const at = Math.min(line.pos, length)
    A.splice(doc, ['careplan', line.f], at, Math.min(line.del, length - at), line.ins)
  } else {
    doc.entries[line.id] = wholes(line)
  }
}

function hub() {
  const server = new WebSocketServer({ port: Number(asked.port), host: '127.0.0.1' })
  new Repo({ storage: store(), network: [new WebSocketServerAdapter(server)], sharePolicy: async () => false })
}

async function seed() {
  const repo = new Repo({ storage: store() })
  const urls = {}
  const documents = {}
  for (const line of lines(asked.lines)) {
    if (line.k === 'resident') documents[line.r] = A.from(begin(line))
    else documents[line.r] = A.change(documents[line.r], doc => apply(doc, line))
  }
  for (const [resident, document] of Object.entries(documents)) urls[resident] = repo.import(A.save(document)).url
  await settle(repo)
  fs.writeFileSync(asked.urls, JSON.stringify(urls))
  process.exit(0)
}

async function write() {
  const repo = new Repo({ storage: store() })
  const urls = JSON.parse(fs.readFileSync(asked.urls))
  const handles = {}
  for (const [resident, url] of Object.entries(urls)) handles[resident] = await repo.find(url)
  for (const line of lines(asked.lines)) handles[line.r].change(doc => apply(doc, line))
  await settle(repo)
  process.exit(0)
}

const same = (a, b) => a && a.length === b.length && [...a].sort().join() === [...b].sort().join()

async function sync() {
  const urls = JSON.parse(fs.readFileSync(asked.urls))
  const network = new WebSocketClientAdapter(asked.hub)
  const repo = new Repo({ storage: store(), network: [network], enableRemoteHeadsGossiping: false })
  const peer = await new Promise(found => network.once('peer-candidate', found))
  const hubStore = peer.peerMetadata.storageId
  const handles = {}
  await Promise.all(Object.entries(urls).map(async ([resident, url]) => (handles[resident] = await found(repo, url))))
  const level = handle => same(handle.getSyncInfo(hubStore)?.lastHeads, handle.heads())
  while (!Object.values(handles).every(level)) await sleep(5)
  const told = { level_ns: nowNs(), written: [], seen: [] }
  const seen = watch(handles, told)
  tell(asked.told, told)
  if (asked.write) await writeLive(repo, handles, told)
  if (asked.watch) await seen
  tell(asked.told, told)
}

/** Many homes in one program, each with a connection and residents of its own; they keep nothing on the disk. */
async function homes() {
  const urls = Object.entries(JSON.parse(fs.readFileSync(asked.urls)))
  const count = Number(asked.homes)
  const all = await Promise.all(
    Array.from({ length: count }, async (_, home) => {
      const network = new WebSocketClientAdapter(asked.hub)
      const repo = new Repo({ network: [network], enableRemoteHeadsGossiping: false })
      const peer = await new Promise(found => network.once('peer-candidate', found))
      const handles = {}
      const own = urls.filter(([resident]) => homeOf(resident, asked.residents) === home)
      await Promise.all(own.map(async ([resident, url]) => (handles[resident] = await found(repo, url))))
      return { handles, hubStore: peer.peerMetadata.storageId }
    })
  )
  const isLevel = ({ handles, hubStore }) =>
    Object.values(handles).every(handle => same(handle.getSyncInfo(hubStore)?.lastHeads, handle.heads()))
  while (!all.every(isLevel)) await sleep(5)
  const level_ns = nowNs()
  tell(asked.told, { level_ns })
  const handle = line => all[homeOf(line.r, asked.residents)].handles[line.r]
  const spell = await writeInTurn(lines(asked.write), count, line => handle(line).change(doc => apply(doc, line)))
  while (!all.every(isLevel)) await sleep(5)
  tell(asked.told, { level_ns, spell: { ...spell, done_ns: nowNs() } })
}

/** A document that the hub says it lacks is asked for again: it has been seen to come the second time. */
async function found(repo, url) {
  for (;;) {
    try {
      return await repo.find(url)
    } catch (error) {
      repo.delete(url)
      await sleep(100)
    }
  }
}

function watch(handles, told) {
  return new Promise(done => {
    for (const handle of Object.values(handles)) {
      handle.on('change', ({ patches }) => {
        const at_ns = nowNs()
        const ids = new Set(patches.filter(p => p.path[0] === 'entries' && p.path.length === 2).map(p => String(p.path[1])))
        for (const id of ids) told.seen.push({ id, at_ns })
        if (told.seen.length >= Number(asked.watch)) done()
      })
    }
  })
}

async function writeLive(repo, handles, told) {
  for (const line of lines(asked.write).slice(0, Number(asked.count))) {
    await sleep(GAP_MS)
    const started_ns = nowNs()
    handles[line.r].change(doc => apply(doc, line))
    await repo.flush([handles[line.r].documentId])
    told.written.push({ id: line.id, started_ns, saved_ns: nowNs() })
  }
}

await { hub, seed, write, sync, homes }[process.argv[2]]()
