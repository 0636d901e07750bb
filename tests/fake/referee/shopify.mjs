// The official client's opinion of the fake. Usage: node shopify.mjs HOST PORT; the packages beside it.
import {createAdminApiClient} from '@shopify/admin-api-client';
import {assert, check} from './report.mjs';

const [host, port] = process.argv.slice(2);
const origin = `http://${host}:${port}`;
const STORE = 'https://fake.myshopify.com';

// The client insists on https and a shop's domain: only where its requests go is changed.
function client(accessToken = 'shpat_fake_client', retries = 0, apiVersion = '2026-10') {
  const customFetchApi = (url, init) => fetch(String(url).replace(STORE, origin), init);
  const logger = () => {};
  return createAdminApiClient({storeDomain: STORE, apiVersion, accessToken, retries, customFetchApi, logger});
}

async function control(method, route, body) {
  const answer = await fetch(`${origin}/_control/${route}`, {method, body: body && JSON.stringify(body)});
  const text = await answer.text();
  assert(answer.ok, text);
  return JSON.parse(text);
}

async function truth(collection) {
  return (await control('GET', `truth?collection=shopify:${collection}`)).objects;
}

async function data(query, variables, from = client()) {
  const {data, errors} = await from.request(query, {variables});
  assert(!errors, JSON.stringify(errors));
  return data;
}

await check('page through lists', async () => {
  let sum = 0;
  for (const [collection, field] of [
    ['order', 'orders'], ['product', 'products'], ['customer', 'customers'], ['draft_order', 'draftOrders'],
    ['gift_card', 'giftCards'], ['company', 'companies'], ['product_variant', 'productVariants'],
  ]) {
    for (const first of [7, 250]) {
      const found = [];
      for (let after = null, more = true; more; ) {
        const query = `query($first: Int!, $after: String) {
          ${field}(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }`;
        const page = (await data(query, {first, after}))[field];
        found.push(...page.nodes.map((each) => each.id));
        ({hasNextPage: more, endCursor: after} = page.pageInfo);
      }
      const expected = Object.keys(await truth(collection));
      assert(JSON.stringify(found.sort()) === JSON.stringify(expected.sort()), `${field}: ${found.length}`);
      sum += found.length;
    }
  }
  return sum;
});
await check('cost', async () => {
  const {extensions} = await client().request('{ shop { name } }');
  assert(extensions.cost.requestedQueryCost === 1, JSON.stringify(extensions));
  assert(extensions.cost.throttleStatus.maximumAvailable > 0, JSON.stringify(extensions));
});
await check('a write and what is wrong with one', async () => {
  const write = `mutation($product: ProductCreateInput!) {
    productCreate(product: $product) { product { id title } userErrors { field message } } }`;
  const made = (await data(write, {product: {title: 'Kettle'}})).productCreate;
  assert(made.product.title === 'Kettle' && made.userErrors.length === 0, JSON.stringify(made));
  const wrong = (await data(write, {product: {title: ''}})).productCreate;
  assert(wrong.product === null && wrong.userErrors[0].field[0] === 'title', JSON.stringify(wrong));
});
await check('errors of a query', async () => {
  const {errors} = await client().request('{ products(first: 3) { nodes { nothing } } }');
  assert(errors.networkStatusCode === 200, JSON.stringify(errors));
  assert(errors.graphQLErrors[0].extensions.code === 'undefinedField', JSON.stringify(errors));
});
await check('a wrong token', async () => {
  const {errors} = await client('shpat_wrong').request('{ shop { name } }');
  assert(errors.networkStatusCode === 401 && !errors.graphQLErrors, JSON.stringify(errors));
});
await check('retries', async () => {
  const rule = {match: {provider: 'shopify', times: 2}, action: {type: 'status', status: 503}};
  await control('POST', 'faults', rule);
  const found = await data('{ shop { name } }', {}, client('shpat_fake_client', 3));
  assert(found.shop.name === 'Fake', JSON.stringify(found));
  await control('DELETE', 'faults');
});
await check('a missing scope', async () => {
  await control('POST', 'settings', {provider: 'shopify', scopes: ['read_orders']});
  const {data, errors} = await client().request('{ customers(first: 1) { nodes { id } } shop { name } }');
  assert(data.customers === null && data.shop.name === 'Fake', JSON.stringify(data));
  assert(errors.graphQLErrors[0].extensions.code === 'ACCESS_DENIED', JSON.stringify(errors));
  await control('POST', 'settings', {provider: 'shopify', scopes: null});
});
await check('throttling', async () => {
  const cost = {maximum: 60, restore_rate: 20, single: 60};
  await control('POST', 'settings', {provider: 'shopify', cost});
  const query = '{ orders(first: 50) { nodes { id } } }';
  const from = client('shpat_fake_throttled');
  await control('POST', 'create', {collection: 'shopify:order', count: 50});
  await data(query, {}, from);
  for (let met = 0, deadline = Date.now() + 20_000; ; ) {
    const {errors, extensions, data} = await from.request(query);
    if (!errors) {
      assert(met > 0 && data.orders.nodes.length === 50, 'it was never throttled');
      return met;
    }
    met += 1;
    assert(errors.graphQLErrors[0].extensions.code === 'THROTTLED', JSON.stringify(errors));
    assert(Date.now() < deadline, 'the points do not come back');
    const {requestedQueryCost, throttleStatus} = extensions?.cost ?? errors.response?.extensions?.cost ?? {};
    const missing = requestedQueryCost ? requestedQueryCost - throttleStatus.currentlyAvailable : 10;
    await new Promise((resolve) => setTimeout(resolve, (1000 * Math.max(1, missing)) / cost.restore_rate));
  }
});
