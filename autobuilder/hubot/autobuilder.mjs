// Description:
//   Deploys by autobuilder: ask for them, lock projects, decide on releases that wait, and hear what becomes of them.
//
// Configuration:
//   HUBOT_AUTOBUILDER_URL     where autobuilder is
//   HUBOT_AUTOBUILDER_TOKEN   a token of its API with the scope chat
//   HUBOT_AUTOBUILDER_ROOM    the room that is told of events; without it none is
//   HUBOT_AUTOBUILDER_SECRET  of the webhook that sends them, to /hubot/autobuilder
//
// Commands:
//   hubot deploy APP[/REF] [to ENV[/HOSTS]] - put a branch, tag or commit on its servers
//   hubot rollback APP [to VERSION] - put back what ran before
//   hubot where can i deploy APP - its environments
//   hubot deploys APP - its newest deploys
//   hubot status [APP] - what runs where
//   hubot queue - what is under way, and what waits for people
//   hubot lock APP [reason] [for 2h] - keep its builds waiting
//   hubot unlock APP - let them go
//   hubot approve ID, hubot reject ID [reason] - decide on a release that waits
//   hubot autobuilder help - all of this

import { createHmac, timingSafeEqual } from 'node:crypto'

const verbs = /(?:autobuilder\s+(.*)|((?:deploy|deploys|rollback|roll\s+back|status|queue|lock|unlock|approve|reject)(?:[:!\s].*)?|where can i deploy\s.*))$/i
const path = '/hubot/autobuilder'
const mostBody = 1 << 20
const mostSeen = 1000

export default robot => {
  const { HUBOT_AUTOBUILDER_URL: url, HUBOT_AUTOBUILDER_TOKEN: token } = process.env
  if (!url || !token) {
    robot.logger.error('autobuilder: HUBOT_AUTOBUILDER_URL and HUBOT_AUTOBUILDER_TOKEN are needed')
    return
  }
  robot.respond(verbs, async res => res.send(await ask(robot, res, url, token)))
  listen(robot, process.env.HUBOT_AUTOBUILDER_ROOM, process.env.HUBOT_AUTOBUILDER_SECRET)
}

// ask brings what somebody said to autobuilder, and gives its answer.
async function ask (robot, res, url, token) {
  const { user, id } = res.message
  const said = {
    text: (res.match[1] ?? res.match[2]).trim(),
    account: String(user.id ?? ''),
    name: String(user.name ?? ''),
    room: String(res.message.room ?? ''),
    id: String(id ?? '')
  }
  try {
    const answer = await fetch(new URL('api/v1/chat', url.replace(/\/*$/, '/')), {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(said),
      signal: AbortSignal.timeout(20_000)
    })
    return answer.ok ? (await answer.json()).text : `autobuilder does not want that: ${(await answer.text()).trim()}`
  } catch (err) {
    robot.logger.error(`autobuilder: ${err.message}`)
    return 'autobuilder does not answer'
  }
}

// listen tells the room of events. The signature is of the body as it came, so
// it has to be read before Hubot's own web server parses it.
function listen (robot, room, secret) {
  if (!room || !secret || !robot.server) return
  const seen = new Set()
  const others = robot.server.listeners('request')
  robot.server.removeAllListeners('request')
  robot.server.on('request', (req, res) => {
    if (req.url !== path || req.method !== 'POST') return others.forEach(other => other.call(robot.server, req, res))
    take(req, secret).then(async event => {
      if (!seen.has(event.delivery)) await robot.messageRoom(room, words(event))
      remember(seen, event.delivery)
      res.writeHead(204).end()
    }).catch(err => {
      robot.logger.error(`autobuilder: ${err.message}`)
      res.writeHead(err.status ?? 500).end()
    })
  })
}

const refuse = (status, why) => Object.assign(new Error(why), { status })

async function take (req, secret) {
  const pieces = []
  let size = 0
  for await (const piece of req) {
    size += piece.length
    if (size > mostBody) throw refuse(413, 'an event is too large')
    pieces.push(piece)
  }
  const body = Buffer.concat(pieces)
  const wanted = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`)
  const given = Buffer.from(String(req.headers['x-autobuilder-signature-256'] ?? ''))
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw refuse(401, 'an event has no good signature')
  return JSON.parse(body)
}

// remember keeps the newest deliveries, so that one which is sent again is not said again.
function remember (seen, delivery) {
  seen.add(delivery)
  if (seen.size > mostSeen) seen.delete(seen.values().next().value)
}

function words (event) {
  return [event.text, ...(event.details ?? []), event.url].join('\n')
}
