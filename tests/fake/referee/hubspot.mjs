// The official client's opinion of the fake. Usage: node hubspot.mjs HOST PORT.
import hubspot from '@hubspot/api-client';
import {assert, check} from './report.mjs';

const [host, port] = process.argv.slice(2);
const origin = `http://${host}:${port}`;
const basePath = `${origin}/hubspot`;
const client = new hubspot.Client({accessToken: 'pat-fake-sdk', basePath});
const {crm} = client;

async function fails(promise, status, category) {
  try {
    await promise;
  } catch (error) {
    assert(error.code === status, `${error.code} instead of ${status}: ${error.message}`);
    assert(category === undefined || error.body.category === category, JSON.stringify(error.body));
    return error.body;
  }
  throw new Error(`nothing was raised instead of ${status}`);
}

async function control(method, route, body) {
  const answer = await fetch(`${origin}/_control/${route}`, {method, body: body && JSON.stringify(body)});
  const text = await answer.text();
  assert(answer.ok, text);
  return JSON.parse(text);
}

const truth = async (collection) => (await control('GET', `truth?collection=hubspot:${collection}`)).objects;
const same = (one, other) => JSON.stringify([...one].sort()) === JSON.stringify([...other].sort());
const types = {
  contact: crm.contacts, company: crm.companies, deal: crm.deals, ticket: crm.tickets, line_item: crm.lineItems,
  product: crm.products, quote: crm.quotes, call: crm.objects.calls, email: crm.objects.emails,
  meeting: crm.objects.meetings, note: crm.objects.notes, task: crm.objects.tasks,
  communication: crm.objects.communications, postal_mail: crm.objects.postalMail,
};

async function listed(page) {
  const found = [];
  let after;
  do {
    const answer = await page(after);
    found.push(...answer.results);
    after = answer.paging?.next?.after;
  } while (after);
  return found;
}

await check('page every list', async () => {
  let sum = 0;
  for (const [name, api] of Object.entries(types)) {
    const found = await listed((after) => api.basicApi.getPage(7, after));
    const expected = Object.values(await truth(name));
    assert(expected.length > 0, `no ${name}`);
    assert(same(found.map((each) => each.id), expected.map((each) => each.id)), name);
    assert(found.every((each) => each.createdAt instanceof Date && each.archived === false), name);
    sum += found.length;
  }
  const cars = await listed((after) => crm.objects.basicApi.getPage('p123_car', 100, after, ['vin'], undefined, ['contacts']));
  assert(same(cars.map((each) => each.properties.vin), Object.values(await truth('car')).map((each) => each.properties.vin)), 'cars');
  return sum + cars.length;
});
await check('search every type', async () => {
  let sum = 0;
  for (const [name, api] of Object.entries(types)) {
    const changed = name === 'contact' ? 'lastmodifieddate' : 'hs_lastmodifieddate';
    const moments = Object.values(await truth(name)).map((each) => each.updatedAt).sort();
    const since = moments[Math.floor(moments.length / 2)];
    const filters = [{propertyName: changed, operator: 'GTE', value: String(Date.parse(since))}];
    const found = await listed((after) => api.searchApi.doSearch({
      filterGroups: [{filters}], sorts: [changed], properties: [changed], limit: 100, ...(after && {after}),
    }));
    const times = found.map((each) => each.properties[changed]);
    assert(JSON.stringify(times) === JSON.stringify(moments.filter((each) => each >= since)), `${name}: ${times.length}`);
    sum += found.length;
  }
  return sum;
});
await check('batches', async () => {
  const known = Object.values(await truth('contact')).slice(0, 50);
  const inputs = known.map(({id}) => ({id}));
  const whole = await crm.contacts.batchApi.read({inputs, properties: ['email'], propertiesWithHistory: []});
  assert(same(whole.results.map((each) => each.properties.email), known.map((each) => each.properties.email)), 'read');
  const some = await crm.contacts.batchApi.read({inputs: [...inputs.slice(1), {id: '1'}], properties: [], propertiesWithHistory: []});
  assert(some.numErrors === 1 && some.results.length === 49, JSON.stringify(some.errors));
  assert(some.errors[0].context.ids[0] === '1', JSON.stringify(some.errors));
  const made = await crm.contacts.batchApi.create({inputs: [1, 2, 3].map((n) => ({properties: {email: `batch${n}@example.com`}}))});
  assert(made.results.length === 3, 'create');
  const traced = await crm.companies.batchApi.create({inputs: ['a', 'b'].map((name) => ({
    objectWriteTraceId: name, properties: name === 'a' ? {name} : {name, nonsense: 'x'}, associations: [],
  }))});
  assert(same(traced.results.map((each) => each.objectWriteTraceId), ['a']), JSON.stringify(traced.results));
  assert(same(traced.errors[0].context.objectWriteTraceId, ['b']), JSON.stringify(traced.errors));
  await crm.companies.batchApi.archive({inputs: traced.results.map(({id}) => ({id}))});
  const upserted = await crm.contacts.batchApi.upsert({
    inputs: [{id: 'batch1@example.com', idProperty: 'email', properties: {firstname: 'Ada'}},
      {id: 'batch4@example.com', idProperty: 'email', properties: {firstname: 'Ben'}}],
  });
  assert(same(upserted.results.map((each) => each._new), [false, true]), JSON.stringify(upserted));
  const ids = [...made.results, upserted.results.find((each) => each._new)].map(({id}) => ({id}));
  const updated = await crm.contacts.batchApi.update({inputs: ids.map(({id}) => ({id, properties: {lastname: 'Batch'}}))});
  assert(updated.results.every((each) => each.properties.lastname === 'Batch'), 'update');
  await crm.contacts.batchApi.archive({inputs: ids});
  const archived = await crm.contacts.getAll(100, undefined, undefined, undefined, undefined, true);
  assert(same(archived.map((each) => each.id), ids.map(({id}) => id)), 'archive');
  assert(archived.every((each) => each.archived && each.archivedAt instanceof Date), 'archivedAt');
});
await check('create, update, archive', async () => {
  const [company] = Object.values(await truth('company'));
  const association = {to: {id: company.id}, types: [{associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 1}]};
  const made = await crm.contacts.basicApi.create({properties: {email: 'Ada@example.com', firstname: 'Ada'}, associations: [association]});
  assert(made.properties.email === 'ada@example.com', made.properties.email);
  const conflict = await fails(crm.contacts.basicApi.create({properties: {email: 'ada@example.com'}}), 409, 'CONFLICT');
  assert(conflict.message.endsWith(`Existing ID: ${made.id}`), conflict.message);
  const changed = await crm.contacts.basicApi.update(made.id, {properties: {firstname: 'Ada B.'}});
  assert(changed.updatedAt >= made.updatedAt && changed.properties.firstname === 'Ada B.', 'update');
  const shown = await crm.contacts.basicApi.getById(made.id, ['firstname'], undefined, ['companies']);
  assert(shown.associations.companies.results.length === 2, 'a primary association is there twice');
  assert(shown.associations.companies.results[0].id === company.id, 'associated');
  await crm.contacts.basicApi.archive(made.id);
  await fails(crm.contacts.basicApi.getById(made.id), 404);
  const gone = await crm.contacts.basicApi.getById(made.id, undefined, undefined, undefined, true);
  assert(gone.archived && gone.archivedAt, 'archived');
  await control('POST', 'restore', {collection: 'hubspot:contact', id: made.id});
  assert((await crm.contacts.basicApi.getById(made.id)).archived === false, 'restore');
});
await check('merge', async () => {
  const [winner, loser] = Object.keys(await truth('company'));
  const kept = await crm.companies.basicApi.merge({primaryObjectId: winner, objectIdToMerge: loser});
  assert(kept.id === winner && kept.properties.hs_merged_object_ids === loser, JSON.stringify(kept));
  assert((await crm.companies.basicApi.getById(loser)).id === winner, 'the id of the loser');
  assert(!(await crm.companies.getAll()).some((each) => each.id === loser), 'the loser is listed');
});
await check('forget', async () => {
  const [id] = Object.keys(await truth('contact'));
  await crm.contacts.basicApi.purge({objectId: id});
  await fails(crm.contacts.basicApi.getById(id), 404);
  await fails(crm.contacts.basicApi.getById(id, undefined, undefined, undefined, true), 404);
});
await check('associations', async () => {
  const [id] = await (async () => {
    for (const deal of Object.keys(await truth('deal'))) {
      const {results} = await crm.associations.v4.basicApi.getPage('deals', deal, 'contacts', undefined, 500);
      if (results.length > 1) return [deal];
    }
    return [];
  })();
  assert(id, 'no deal with two contacts');
  const whole = await crm.associations.v4.basicApi.getPage('deals', id, 'contacts', undefined, 500);
  const first = await crm.associations.v4.basicApi.getPage('deals', id, 'contacts', undefined, 1);
  const second = await crm.associations.v4.basicApi.getPage('deals', id, 'contacts', first.paging.next.after, 500);
  assert(same([...first.results, ...second.results].map((each) => each.toObjectId), whole.results.map((each) => each.toObjectId)), 'paging');
  const batch = await crm.associations.v4.batchApi.getPage('deals', 'contacts', {inputs: [{id}]});
  assert(batch.results[0]._from.id === id && batch.results[0].to.length === whole.results.length, 'batch');
  return whole.results.length;
});
await check('owners, pipelines, properties, schemas', async () => {
  const owners = await crm.owners.ownersApi.getPage(undefined, undefined, 3);
  const more = await crm.owners.ownersApi.getPage(undefined, owners.paging.next.after, 100);
  assert(same([...owners.results, ...more.results].map((each) => each.id), Object.keys(await truth('owner'))), 'owners');
  const pipelines = await crm.pipelines.pipelinesApi.getAll('deals');
  assert(pipelines.results[0].stages.length > 3, 'stages');
  const properties = await crm.properties.coreApi.getAll('contacts');
  const kinds = new Set(properties.results.map((each) => each.type));
  assert(same(kinds, ['string', 'number', 'bool', 'datetime', 'date', 'enumeration']), [...kinds].join());
  const schemas = await crm.schemas.coreApi.getAll();
  assert(schemas.results[0].objectTypeId === '2-12345' && schemas.results[0].fullyQualifiedName === 'p123_car', 'schemas');
  return properties.results.length;
});
await check('OAuth', async () => {
  const redirect = 'https://app.example.com/back';
  const asked = new URLSearchParams({client_id: 'hubspot-fake-client', redirect_uri: redirect, scope: 'oauth', state: 'x'});
  const sent = await fetch(`${basePath}/oauth/authorize?${asked}`, {redirect: 'manual'});
  const code = new URL(sent.headers.get('location')).searchParams.get('code');
  const anyone = new hubspot.Client({basePath});
  const secrets = ['hubspot-fake-client', 'hubspot-fake-secret-01'];
  const first = await anyone.oauth.tokensApi.create('authorization_code', code, redirect, ...secrets);
  await fails(anyone.oauth.tokensApi.create('authorization_code', code, redirect, ...secrets), 400);
  const next = await anyone.oauth.tokensApi.create('refresh_token', undefined, undefined, ...secrets, first.refreshToken);
  assert(next.expiresIn === 1800 && next.accessToken !== first.accessToken, JSON.stringify(next));
  anyone.setAccessToken(next.accessToken);
  assert((await anyone.crm.deals.basicApi.getPage(1)).results, 'with a token');
  await control('POST', 'clock', {seconds: 1801});
  await fails(anyone.crm.deals.basicApi.getPage(1), 401, 'EXPIRED_AUTHENTICATION');
  return next.accessToken.length;
});
await check('errors', async () => {
  await fails(crm.contacts.basicApi.getPage(101), 400, 'VALIDATION_ERROR');
  await fails(crm.objects.basicApi.getPage('nonsense'), 400, 'VALIDATION_ERROR');
  const {errors} = await fails(crm.deals.basicApi.create({properties: {amount: 'much', nonsense: '1'}}), 400, 'VALIDATION_ERROR');
  assert(same(errors.map((each) => each.code), ['INVALID_INTEGER', 'PROPERTY_DOESNT_EXIST']), JSON.stringify(errors));
  const other = new hubspot.Client({accessToken: 'nobody', basePath});
  await fails(other.crm.contacts.basicApi.getPage(), 401, 'INVALID_AUTHENTICATION');
});
await check('limits', async () => {
  await control('POST', 'settings', {provider: 'hubspot', burst: {allowed: 2, interval: 10}});
  const limited = new hubspot.Client({accessToken: 'pat-fake-limited', basePath});
  for (let i = 0; i < 2; i++) await limited.crm.contacts.basicApi.getPage(1);
  const body = await fails(limited.crm.contacts.basicApi.getPage(1), 429);
  assert(body.policyName === 'TEN_SECONDLY_ROLLING', JSON.stringify(body));
});
