// One step of one PouchDB device, as one JSON line: `node client.mjs STEP DB URL-or-CORPUS`. Seconds are those of the step
// alone; a database that is not there is made.
import { readFileSync } from 'node:fs'
import PouchDB from 'pouchdb'

const BATCH = { batch_size: 1000, batches_limit: 10 }
const DURABILITY = 'leveldb, no fsync, not encrypted'

let requests = 0
const remote = (url) => new PouchDB(url, { fetch: (at, options) => (requests++, PouchDB.fetch(at, options)) })
const documents = (corpus) =>
  readFileSync(corpus, 'utf8').trimEnd().split('\n').map((line) => {
    const { id, kind, compartment, data } = JSON.parse(line)
    return { _id: id, kind, compartment, data }
  })

async function load(db, corpus) {
  const all = documents(corpus)
  for (let at = 0; at < all.length; at += BATCH.batch_size) {
    const results = await db.bulkDocs(all.slice(at, at + BATCH.batch_size))
    if (results.some((result) => result.error)) throw new Error('a document was not taken')
  }
}

// A device that knows the server already: its first replication makes the database there.
const push = (db, url) => db.replicate.to(remote(url), BATCH)
const pull = (db, url) => db.replicate.from(remote(url), BATCH)
const sync = (db, url) => db.sync(remote(url), BATCH)

async function first(db) {
  const { rows } = await db.allDocs({ include_docs: true, limit: 1000 })
  return rows.map((row) => row.doc).filter((doc) => doc.kind === 'inspection')
}

async function amend(db) {
  const [doc] = await first(db)
  doc.data.remarks = `green ${doc._rev}`
  await db.put(doc)
}

async function save(db, corpus) {
  const ms = []
  for (const doc of documents(corpus)) {
    const began = performance.now()
    await db.put(doc)
    ms.push(performance.now() - began)
  }
  ms.sort((a, b) => a - b)
  const at = (percent) => ms[Math.min(Math.floor((ms.length * percent) / 100), ms.length - 1)]
  return { p50_ms: at(50), p99_ms: at(99), n: ms.length, durability: DURABILITY }
}

// Two devices write the same field of one document apart, and different fields of another.
async function conflict(a, url) {
  const b = new PouchDB(`${a.name}-other`)
  await sync(a, url)
  await sync(b, url)
  const [same, apart] = (await first(a)).map((doc) => doc._id)
  const write = async (db, id, field, value) => {
    const doc = await db.get(id)
    doc.data[field] = value
    await db.put(doc)
  }
  await write(a, same, 'remarks', 'of a')
  await write(b, same, 'remarks', 'of b')
  await write(a, apart, 'search_level', 'full')
  await write(b, apart, 'result', 'irregularity')
  for (const db of [a, b, a]) await sync(db, url)
  const outcome = async (id, isMerged) => {
    const doc = await a.get(id, { conflicts: true })
    if (isMerged(doc.data)) return 'merged'
    return doc._conflicts?.length ? 'winner_and_hidden_loser' : 'one_lost_silently'
  }
  return {
    same_field: await outcome(same, () => false),
    different_fields: await outcome(apart, (data) => data.search_level === 'full' && data.result === 'irregularity'),
    same_field_says: 'a read gives one whole document; the other is a hidden revision that a program must ask for',
    different_fields_says: 'the same: revisions are of whole documents, so one officer\'s field is not in what is read',
  }
}

const STEPS = { load, push, pull, sync, amend, save, conflict }
const [step, path, argument] = process.argv.slice(2)
const db = new PouchDB(path)
await db.info()
const began = performance.now()
const result = await STEPS[step](db, argument)
const seconds = (performance.now() - began) / 1e3
const more = ['save', 'conflict'].includes(step) ? result : {}
process.stdout.write(`${JSON.stringify({ seconds, requests, docs: (await db.info()).doc_count, ...more })}\n`)
process.exit(0)
