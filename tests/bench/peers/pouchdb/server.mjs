// PouchDB's server, as pouchdb-server mounts it, on loopback: `node server.mjs DIR`. Prints {"port"} when it listens; ends
// with its standard input.
import http from 'node:http'
import { join } from 'node:path'
import express from 'express'
import expressPouchdb from 'express-pouchdb'
import PouchDB from 'pouchdb'

const [dir] = process.argv.slice(2)
const app = express()
// pouchdb-server itself does not take port 0: this is what it mounts.
app.use('/', expressPouchdb(PouchDB.defaults({ prefix: `${dir}/` }), {
  mode: 'minimumForPouchDB',
  inMemoryConfig: true,
  logPath: join(dir, 'log.txt'),
}))
const server = http.createServer(app)
server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`))
process.stdin.on('end', () => process.exit(0)).resume()
