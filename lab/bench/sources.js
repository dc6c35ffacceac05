// The app's own sources, the same each time: thirty routes with their models.
'use strict';
const fs = require('fs');

const actions = [...Array(25).keys()];
fs.mkdirSync('src/routes', { recursive: true });
fs.mkdirSync('src/models', { recursive: true });
for (let i = 0; i < 30; i++) {
  fs.writeFileSync(`src/routes/r${i}.js`, [
    `'use strict';`,
    `const express = require('express');`,
    `const model = require('../models/m${i}');`,
    `const router = express.Router();`,
    ...actions.map((j) => `router.get('/r${i}/${j}/:id', async (req, res, next) => {
  try { res.json({ id: req.params.id, found: await model.find${j}(req.params.id), n: ${i * j} }); } catch (err) { next(err); }
});`),
    `module.exports = router;\n`,
  ].join('\n'));
  fs.writeFileSync(`src/models/m${i}.js`, [
    `'use strict';`,
    ...actions.map((j) => `exports.find${j} = async (id) => ({ id, k: 'm${i}-${j}', t: ${(i * 7919 + j * 104729) % 65521} });`),
    '',
  ].join('\n'));
}
fs.writeFileSync('src/app.js', `'use strict';
const fs = require('fs');
const express = require('express');
const app = express();
for (const file of fs.readdirSync(__dirname + '/routes')) app.use(require('./routes/' + file));
app.get('/healthz', (req, res) => res.json({ ok: true, version: require('../package.json').version }));
module.exports = app;
`);
fs.writeFileSync('server.js', `'use strict';
const app = require('./src/app');
const server = app.listen(process.env.PORT || 3000);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`);
