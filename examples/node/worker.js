// A worker: takes records from a consumer, handles each, and acknowledges them.
//
//     npm install pg
//     DATABASE_URL=postgresql://localhost/app node worker.js crm
//
// Put your work into `handle`. Any number of these can run for one consumer; SIGTERM and SIGINT stop one.
'use strict'

const { setTimeout: sleep } = require('node:timers/promises')
const { Client, DatabaseError } = require('pg')

const BATCH = 50
// What changes is delivered at once all the same. So long can stopping take, and VACUUM be held back.
const WAIT = '1 s'
// In seconds. A record that fails comes again after 1, 2, 4, …
const MAX_DELAY = 300

// Your work. What it throws makes the record come again later. It may, rarely, see a record twice.
// Have it await what takes long: while it blocks the thread, deliveries can't be extended.
async function handle (record) {
  const email = record.data.email.toLowerCase()
  await sleep(1000 * (process.env.WORK_SECONDS ?? 0)) // stands for work that takes its time
  console.log(JSON.stringify({ id: record.upstream_id, email, deleted: record.deleted }))
}

// A consumer over a connection that is opened again whenever it is lost.
class Consumer {
  #url
  #client = null
  #stop = new AbortController()

  constructor (url, name) {
    this.#url = url
    this.name = name
  }

  get stopping () {
    return this.#stop.signal.aborted
  }

  stop () {
    this.#stop.abort()
  }

  consume () {
    return this.#run(
      `SELECT ack_token AS token, record, deliver_count AS count,
              (SELECT extract(epoch FROM ack_wait)::float8 FROM sequin.consumers WHERE name = $1) AS seconds
       FROM sequin.consume($1, $2, $3)`,
      [this.name, BATCH, WAIT])
  }

  async extend (tokens, seconds) {
    await this.#run('SELECT sequin.extend($1, $2, make_interval(secs => $3))', [this.name, tokens, seconds])
  }

  async ack (tokens) {
    const [{ live }] = await this.#run('SELECT sequin.ack($1, $2)::int AS live', [this.name, tokens])
    return live
  }

  async nack (tokens, seconds) {
    await this.#run('SELECT sequin.nack($1, $2, make_interval(secs => $3))', [this.name, tokens, seconds])
  }

  async close () {
    await this.#client?.end()
  }

  // Runs a statement until the server has answered.
  //
  // So it can run twice, which does no harm: a token that is settled does nothing, and what was taken by a call
  // whose answer got lost comes again. Tokens outlive the connection.
  async #run (query, values) {
    for (let pause = 100; ; pause = Math.min(2 * pause, 10_000)) {
      try {
        this.#client ??= await connect(this.#url)
        return (await this.#client.query(query, values)).rows
      } catch (error) {
        if (!isPassing(error)) throw error
        if (this.stopping) throw new Error(`stopped while the server was away: ${error.message}`)
        console.error(`${error.message}; trying again`)
      }
      this.#client?.end().catch(() => {})
      this.#client = null
      await sleep(pause * (1 + Math.random()) / 2, null, { signal: this.#stop.signal }).catch(() => {})
    }
  }
}

async function connect (url) {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 30_000 })
  client.on('error', () => {}) // The next statement finds out.
  await client.connect()
  return client
}

// What the server refuses it refuses again, but for some conditions: of the connection, of others' transactions,
// of resources, of the server going down.
function isPassing (error) {
  return !(error instanceof DatabaseError) || /^(08|40|53|57)/.test(error.code)
}

// Handles one record after the other, and then tells the server about all of them.
async function handleBatch (consumer, batch) {
  const tokens = batch.map(({ token }) => token)
  const ackWait = batch[0].seconds
  let extendAt = Date.now() + 1000 * ackWait / 3
  const done = []
  const again = new Map()
  const giveBack = (token, delay) => again.set(delay, [...again.get(delay) ?? [], token])
  for (const { token, record, count } of batch) {
    if (consumer.stopping) {
      giveBack(token, 0)
      continue
    }
    const work = handle(record)
    while (!await settlesWithin(extendAt - Date.now(), work)) {
      await consumer.extend(tokens, ackWait)
      extendAt = Date.now() + 1000 * ackWait / 3
    }
    try {
      await work
      done.push(token)
    } catch (error) {
      const delay = Math.min(2 ** (count - 1), MAX_DELAY)
      console.error(`${record.upstream_id} failed, again in ${delay} s: ${error}`)
      giveBack(token, delay)
    }
  }
  if (done.length > 0) {
    const late = done.length - await consumer.ack(done)
    if (late > 0) console.error(`${late} records took too long and come again`)
  }
  for (const [delay, tokens] of again) await consumer.nack(tokens, delay)
}

async function settlesWithin (milliseconds, promise) {
  const timer = new AbortController()
  try {
    return await Promise.race([
      promise.then(() => true, () => true),
      sleep(milliseconds, false, { signal: timer.signal })
    ])
  } finally {
    timer.abort()
  }
}

async function main () {
  const consumer = new Consumer(process.env.DATABASE_URL, process.argv[2])
  process.on('SIGTERM', () => consumer.stop())
  process.on('SIGINT', () => consumer.stop())
  while (!consumer.stopping) {
    const batch = await consumer.consume()
    if (batch.length > 0) await handleBatch(consumer, batch)
  }
  await consumer.close()
}

main().catch(error => {
  console.error(error.message)
  process.exit(1)
})
