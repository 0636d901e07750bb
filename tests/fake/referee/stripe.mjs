// The official SDK's opinion of the fake. Usage: node stripe.mjs HOST PORT; the package `stripe` beside it.
import Stripe from 'stripe';
import {assert, check} from './report.mjs';

const [host, port] = process.argv.slice(2);
const options = {host, port: Number(port), protocol: 'http', maxNetworkRetries: 0, telemetry: false};
const stripe = new Stripe('sk_test_fake_sdk', options);

async function fails(promise, Type, fields = {}) {
  try {
    await promise;
  } catch (error) {
    assert(error instanceof Type, `${error.constructor.name} instead of ${Type.name}: ${error.message}`);
    for (const [name, value] of Object.entries(fields)) {
      assert(error[name] === value, `${name} is ${error[name]} and not ${value}`);
    }
    return;
  }
  throw new Error(`nothing was raised instead of ${Type.name}`);
}

const {errors} = Stripe;
const invalid = errors.StripeInvalidRequestError;

await check('autopaging', async () => {
  const ids = new Set();
  let last = Infinity;
  for await (const customer of stripe.customers.list({limit: 100})) {
    assert(customer.created <= last, 'not newest first');
    last = customer.created;
    ids.add(customer.id);
  }
  return ids.size;
});
await check('paging backwards', async () => {
  const first = await stripe.customers.list({limit: 7});
  const second = await stripe.customers.list({limit: 7, starting_after: first.data[6].id});
  const back = await stripe.customers.list({limit: 7, ending_before: second.data[0].id});
  assert(JSON.stringify(back.data) === JSON.stringify(first.data), 'another page came back');
  assert(back.has_more === false, 'nothing is newer than the first page');
});
await check('created filters', async () => {
  const page = await stripe.customers.list({limit: 100});
  const middle = page.data[50].created;
  const newer = await stripe.customers.list({limit: 100, created: {gt: middle}}).autoPagingToArray({limit: 5000});
  const older = await stripe.customers.list({limit: 100, created: {lte: middle}}).autoPagingToArray({limit: 5000});
  assert(newer.every((each) => each.created > middle), 'gt');
  assert(older.every((each) => each.created <= middle), 'lte');
  return newer.length + older.length;
});
await check('retrieve', async () => {
  const {data: [first]} = await stripe.customers.list({limit: 1});
  const one = await stripe.customers.retrieve(first.id);
  assert(one.id === first.id && one.email === first.email, 'another object');
});
await check('create, update, delete', async () => {
  const made = await stripe.customers.create({
    name: 'Ada', email: 'ada@example.com', metadata: {a: '1', b: '2'}, address: {city: 'London'},
  });
  assert(made.name === 'Ada' && made.address.city === 'London' && made.metadata.b === '2', 'create');
  const changed = await stripe.customers.update(made.id, {name: 'Ada L.', metadata: {a: ''}});
  assert(changed.name === 'Ada L.' && !('a' in changed.metadata) && changed.metadata.b === '2', 'update');
  const gone = await stripe.customers.del(made.id);
  assert(gone.deleted === true, 'del');
  const after = await stripe.customers.retrieve(made.id);
  assert(after.deleted === true && after.id === made.id, 'retrieve after del');
  await fails(stripe.customers.update(made.id, {name: 'x'}), invalid, {code: 'resource_missing', statusCode: 404});
  return made.id;
});
await check('events', async () => {
  const {data} = await stripe.events.list({limit: 3, types: ['customer.created', 'customer.updated', 'customer.deleted']});
  assert(data.map((each) => each.type).join() === 'customer.deleted,customer.updated,customer.created', data.map((e) => e.type).join());
  assert(data[1].data.previous_attributes.name === 'Ada', 'previous_attributes');
  assert(data[1].data.previous_attributes.metadata.a === '1', 'previous metadata');
  const one = await stripe.events.retrieve(data[0].id);
  assert(one.data.object.object === 'customer', 'retrieve');
});
await check('subscription', async () => {
  const customer = await stripe.customers.create({name: 'Subscriber'});
  const product = await stripe.products.create({name: 'Thing'});
  const price = await stripe.prices.create({product: product.id, currency: 'usd', unit_amount: 500, recurring: {interval: 'month'}});
  const made = await stripe.subscriptions.create({customer: customer.id, items: [{price: price.id, quantity: 2}]});
  assert(made.items.data[0].price.id === price.id && made.items.data[0].quantity === 2, 'items');
  const items = await stripe.subscriptionItems.list({subscription: made.id});
  assert(items.data.length === 1, 'subscription items');
  const canceled = await stripe.subscriptions.cancel(made.id);
  assert(canceled.status === 'canceled', 'cancel');
  const listed = await stripe.subscriptions.list({customer: customer.id});
  const all = await stripe.subscriptions.list({customer: customer.id, status: 'all'});
  assert(listed.data.length === 0 && all.data.length === 1, 'canceled ones come with status=all only');
});
await check('invoice', async () => {
  const customer = await stripe.customers.create({name: 'Buyer'});
  const draft = await stripe.invoices.create({customer: customer.id, description: 'first'});
  assert(draft.status === 'draft', 'draft');
  const open = await stripe.invoices.finalizeInvoice(draft.id);
  assert(open.status === 'open', 'finalize');
  const paid = await stripe.invoices.pay(draft.id);
  assert(paid.status === 'paid', 'pay');
  await fails(stripe.invoices.del(draft.id), invalid);
});
await check('coupon', async () => {
  const made = await stripe.coupons.create({id: 'SDK25', percent_off: 25, duration: 'once'});
  assert(made.id === 'SDK25' && made.percent_off === 25, 'create');
  await fails(stripe.coupons.create({id: 'SDK25', percent_off: 25}), invalid, {code: 'resource_already_exists'});
  await fails(stripe.coupons.create({duration: 'once'}), invalid);
  assert((await stripe.coupons.del('SDK25')).deleted, 'del');
});
await check('nested lists', async () => {
  const customer = await stripe.customers.create({name: 'Taxed'});
  const tax = await stripe.customers.createTaxId(customer.id, {type: 'eu_vat', value: 'DE123456789'});
  const listed = await stripe.customers.listTaxIds(customer.id);
  assert(listed.data[0].id === tax.id, 'tax ids');
  let lines = 0;
  for await (const invoice of stripe.invoices.list({limit: 20})) {
    for await (const line of stripe.invoices.listLineItems(invoice.id, {limit: 3})) {
      assert(line.invoice === invoice.id, 'a line of another invoice');
      lines += 1;
    }
    if (lines > 60) break;
  }
  return lines;
});
await check('expand', async () => {
  const {data: [one]} = await stripe.subscriptions.list({limit: 1, expand: ['data.customer']});
  assert(one.customer.object === 'customer', 'not expanded');
});
await check('idempotency', async () => {
  const key = `key-${Date.now()}`;
  const first = await stripe.customers.create({name: 'Once'}, {idempotencyKey: key});
  const again = await stripe.customers.create({name: 'Once'}, {idempotencyKey: key});
  assert(first.id === again.id, 'made twice');
  await fails(stripe.customers.create({name: 'Other'}, {idempotencyKey: key}), errors.StripeIdempotencyError);
});
await check('error classes', async () => {
  await fails(stripe.customers.retrieve('cus_none'), invalid, {code: 'resource_missing', statusCode: 404});
  await fails(stripe.customers.list({starting_after: 'cus_none'}), invalid, {code: 'resource_missing', statusCode: 400});
  await fails(stripe.customers.list({limit: 101}), invalid, {statusCode: 400});
  await fails(stripe.customers.list({nonsense: 1}), invalid, {code: 'parameter_unknown', param: 'nonsense'});
  await fails(new Stripe('sk_test_other', options).customers.list(), errors.StripeAuthenticationError);
});
await check('rate limit', async () => {
  const limits = JSON.stringify({endpoint_rate: 25, global_rate: 100});
  await fetch(`http://${host}:${port}/_control/settings`, {method: 'POST', body: limits});
  const many = Array.from({length: 60}, () => stripe.products.list({limit: 1}).then(() => 'ok', (error) => error));
  const limited = (await Promise.all(many)).filter((each) => each !== 'ok');
  assert(limited.length > 0, 'no limit was met');
  assert(limited.every((each) => each instanceof errors.StripeRateLimitError), `${limited[0]}`);
  assert(limited[0].headers['retry-after'], 'no Retry-After');
});
