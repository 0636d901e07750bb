// jsforce's opinion of the fake. Usage: node salesforce.mjs HOST PORT PRIVATE_KEY_FILE.
import {createSign} from 'node:crypto';
import {readFileSync} from 'node:fs';
import jsforce from 'jsforce';
import {assert, check} from './report.mjs';

const [host, port, keyFile] = process.argv.slice(2);
const origin = `http://${host}:${port}`;
const loginUrl = `${origin}/salesforce`;
const version = '68.0';
const client = {loginUrl, clientId: '3MVG9fake', clientSecret: 'fake_secret', redirectUri: 'http://localhost/'};

async function fails(promise, code) {
  try {
    await promise;
  } catch (error) {
    assert(error.errorCode === code || error.name === code, `${error.errorCode ?? error.name} instead of ${code}`);
    return error;
  }
  throw new Error(`nothing was raised instead of ${code}`);
}

async function control(method, route, body) {
  const answer = await fetch(`${origin}/_control/${route}`, {method, body: body && JSON.stringify(body)});
  const text = await answer.text();
  assert(answer.ok, text);
  return JSON.parse(text);
}

const settings = (given) => control('POST', 'settings', {provider: 'salesforce', ...given});
const ids = async (object) => (await control('GET', `truth?collection=salesforce:${object}&fields=ids`)).objects;
const same = (one, other) => JSON.stringify([...one].sort()) === JSON.stringify([...other].sort());
const connection = () => new jsforce.Connection({instanceUrl: loginUrl, accessToken: '00Dfake_sdk', version});

function assertion(audience, seconds = 180) {
  const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const claims = {iss: client.clientId, sub: 'fake@example.com', aud: audience, exp};
  const signed = `${encoded({alg: 'RS256'})}.${encoded(claims)}`;
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(readFileSync(keyFile, 'utf8'), 'base64url')}`;
}

await check('refresh token', async () => {
  const conn = new jsforce.Connection({oauth2: client, version});
  const token = await conn.oauth2.refreshToken('5Aepfake');
  assert(token.instance_url === loginUrl && /^\d{13}$/.test(token.issued_at), JSON.stringify(token));
  assert(!('expires_in' in token), 'expires_in');
  await fails(conn.oauth2.refreshToken('5Aepwrong'), 'invalid_grant');
});
await check('JWT', async () => {
  const conn = new jsforce.Connection({oauth2: client, version});
  const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  await conn.authorize({grant_type, assertion: assertion('https://login.salesforce.com')});
  const who = await conn.request(`${loginUrl}/services/oauth2/userinfo`);
  assert(who.organization_id === conn.userInfo.organizationId, JSON.stringify(who));
  for (const [audience, seconds] of [['https://elsewhere.example', 180], [loginUrl, 3600], [loginUrl, -1]]) {
    await fails(conn.authorize({grant_type, assertion: assertion(audience, seconds)}), 'invalid_grant');
  }
});
await check('describe', async () => {
  const conn = connection();
  const {sobjects} = await conn.describeGlobal();
  for (const {name, queryable} of sobjects) {
    const {fields} = await conn.describe(name);
    assert(fields[0].name === 'Id', name);
    if (!queryable) continue;
    const found = await conn.query(`SELECT ${fields.map((each) => each.name).join(', ')} FROM ${name} LIMIT 3`);
    assert(found.done && found.records.every((each) => each.attributes.type === name), name);
  }
  return sobjects.length;
});
await check('query', async () => {
  const conn = connection();
  const expected = await ids('Contact');
  const soql = 'SELECT Id, Name, Account.Name FROM Contact ORDER BY SystemModstamp, Id';
  const records = await conn.query(soql, {autoFetch: true, maxFetch: 100_000});
  const seen = records.records.map((each) => each.Id);
  assert(same(seen, expected), `${seen.length} of ${expected.length}`);
  assert((await conn.sobject('Contact').count()) === expected.length, 'count');
  const {records: some} = await conn.query("SELECT Id, (SELECT Id FROM Contacts) FROM Account WHERE Name LIKE '%Labs%'");
  assert(some.some((each) => each.Contacts?.totalSize > 0), 'children');
  return seen.length;
});
await check('queryAll and restore', async () => {
  const conn = connection();
  const [first, second] = await ids('Lead');
  for (const id of [first, second]) assert((await conn.sobject('Lead').destroy(id)).success, 'destroy');
  const deleted = await conn.query('SELECT Id FROM Lead WHERE IsDeleted = true', {scanAll: true});
  assert(same(deleted.records.map((each) => each.Id), [first, second]), JSON.stringify(deleted));
  assert((await conn.query('SELECT Id FROM Lead WHERE IsDeleted = true')).totalSize === 0, 'query');
  await control('POST', 'restore', {collection: 'salesforce:Lead', id: first});
  assert((await conn.sobject('Lead').retrieve(first)).IsDeleted === false, 'restored');
});
await check('bulk2 query', async () => {
  const conn = connection();
  const expected = await ids('Contact');
  // In one piece: of several, jsforce takes the heads of all but the first for records.
  await settings({bulk_seconds: 0.2});
  const stream = await conn.bulk2.query('SELECT Id, Name, Description, HasOptedOutOfEmail FROM Contact', {pollInterval: 50});
  const records = await stream.toArray();
  assert(same(records.map((each) => each.Id), expected), `${records.length} of ${expected.length}`);
  const truth = (await control('GET', 'truth?collection=salesforce:Contact')).objects;
  for (const each of records) {
    assert(each.Description === (truth[each.Id].Description ?? ''), JSON.stringify(each));
    assert(each.HasOptedOutOfEmail === String(truth[each.Id].HasOptedOutOfEmail), JSON.stringify(each));
  }
  await fails(conn.bulk2.query('SELECT Id, MailingAddress FROM Contact'), 'FUNCTIONALITY_NOT_ENABLED');
  await fails(conn.bulk2.query('SELECT Id FROM CaseStatus'), 'INVALIDENTITY');
  return records.length;
});
await check('deleted and updated', async () => {
  const conn = connection();
  const {now} = await control('GET', 'clock');
  const {id} = await conn.sobject('Task').create({Subject: 'call', Status: 'Completed', Priority: 'High'});
  const gone = await conn.sobject('Task').create({Subject: 'mail', Status: 'Completed', Priority: 'High'});
  await conn.sobject('Task').destroy(gone.id);
  await control('POST', 'clock', {seconds: 120});
  const [start, end] = [now - 600, now + 120].map((each) => new Date(each * 1000));
  const deleted = await conn.sobject('Task').deleted(start, end);
  assert(same(deleted.deletedRecords.map((each) => each.id), [gone.id]), JSON.stringify(deleted));
  const updated = await conn.sobject('Task').updated(start, end);
  assert(updated.ids.includes(id) && !updated.ids.includes(gone.id), JSON.stringify(updated));
  await fails(conn.sobject('Task').deleted(end, start), 'INVALID_REPLICATION_DATE');
});
await check('create, update, delete', async () => {
  const account = connection().sobject('Account');
  const {id} = await account.create({Name: 'Made'});
  assert((await account.retrieve(id)).Name === 'Made', 'create');
  assert((await account.update({Id: id, Name: 'Changed'})).success, 'update');
  assert((await account.retrieve(id)).Name === 'Changed', 'changed');
  const first = await account.upsert({Name: 'By key', External_Id__c: 'K-1'}, 'External_Id__c');
  const second = await account.upsert({Name: 'By key again', External_Id__c: 'K-1'}, 'External_Id__c');
  assert(first.id === second.id && first.created && !second.created, JSON.stringify([first, second]));
  assert((await account.destroy(id)).success, 'delete');
  await fails(account.retrieve(id), 'ENTITY_IS_DELETED');
});
await check('composite', async () => {
  const contact = connection().sobject('Contact');
  const made = await contact.create([{LastName: 'One'}, {FirstName: 'no last name'}, {LastName: 'Two'}]);
  assert(JSON.stringify(made.map((each) => each.success)) === '[true,false,true]', JSON.stringify(made));
  assert(made[1].errors[0].statusCode === 'REQUIRED_FIELD_MISSING', JSON.stringify(made[1]));
  const all = await contact.create([{LastName: 'Three'}, {}], {allOrNone: true});
  assert(all.every((each) => !each.success), JSON.stringify(all));
  const wanted = [made[0].id, made[2].id];
  const changed = await contact.update(wanted.map((Id) => ({Id, Title: 'Dr.'})));
  assert(changed.every((each) => each.success), JSON.stringify(changed));
  const found = await contact.retrieve(wanted);
  assert(found.every((each) => each.Title === 'Dr.'), JSON.stringify(found));
  const gone = await contact.destroy(wanted);
  assert(gone.every((each) => each.success), JSON.stringify(gone));
});
await check('errors', async () => {
  const conn = connection();
  await fails(conn.query('SELECT Nothing FROM Account'), 'INVALID_FIELD');
  await fails(conn.query('SELECT Id FROM Nothing'), 'INVALID_TYPE');
  await fails(conn.query('SELECT Id FROM'), 'MALFORMED_QUERY');
  await fails(conn.sobject('Account').create({}), 'REQUIRED_FIELD_MISSING');
  await fails(conn.sobject('Account').retrieve('001fk0zzzzzzzzz'), 'NOT_FOUND');
  await fails(conn.queryMore('01gfk0000000009AAA-2000'), 'INVALID_QUERY_LOCATOR');
});
await check('an expired session', async () => {
  await settings({session_life: 60, rotate: true});
  const conn = new jsforce.Connection({
    oauth2: client, version, instanceUrl: loginUrl, accessToken: 'expired', refreshToken: '5Aepfake',
  });
  let refreshed = 0;
  conn.on('refresh', (token, answer) => {
    refreshed += 1;
    conn.refreshToken = answer.refresh_token;
  });
  const soql = 'SELECT Id FROM Contact ORDER BY Id';
  let batch = await conn.query(soql);
  const seen = batch.records.map((each) => each.Id);
  while (!batch.done) {
    await control('POST', 'clock', {seconds: 61});
    batch = await conn.queryMore(batch.nextRecordsUrl);
    seen.push(...batch.records.map((each) => each.Id));
  }
  assert(same(seen, await ids('Contact')), `${seen.length}`);
  assert(refreshed >= 2, `${refreshed}`);
  await fails(conn.oauth2.refreshToken('5Aepfake'), 'invalid_grant');
});
await check('limits', async () => {
  const conn = connection();
  await settings({daily: {allowed: 2}});
  await conn.limits();
  assert(JSON.stringify(conn.limitInfo.apiUsage) === '{"used":1,"limit":2}', JSON.stringify(conn.limitInfo));
  await conn.query('SELECT COUNT() FROM User');
  await fails(conn.limits(), 'REQUEST_LIMIT_EXCEEDED');
});
