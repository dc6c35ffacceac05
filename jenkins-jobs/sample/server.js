'use strict'

const compression = require('compression')
const express = require('express')
const morgan = require('morgan')
const { version, config } = require('./package.json')

const app = express()
app.use(compression())
app.use(morgan('tiny', { skip: (req, res) => res.statusCode < 400 }))

// What a monitor asks for: how often it answered that something is wrong here.
let failed = 0
app.use((req, res, next) => {
  res.on('finish', () => { if (res.statusCode >= 500) failed++ })
  next()
})
app.get('/metrics', (req, res) => res.type('text/plain').send(`# TYPE sample_failed_total counter\nsample_failed_total ${failed}\n`))

// A release with "healthy": false starts well and answers badly: what a health
// check is for.
const status = config.healthy ? 200 : 500
app.get('/', (req, res) => res.status(status).send(`sample ${version}\n`))
app.get('/healthz', (req, res) => res.status(status).json({ version, healthy: config.healthy }))

const server = app.listen(process.env.PORT || 3000, (err) => {
  if (!err) console.log(`sample ${version} listens after ${process.uptime().toFixed(2)} s`)
})
server.on('error', (err) => {
  console.error(`sample ${version}: ${err.message}`)
  process.exit(1)
})

// Ends what it has begun before it goes.
process.on('SIGTERM', () => server.close(() => process.exit(0)))
