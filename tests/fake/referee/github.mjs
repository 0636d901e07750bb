// The official SDK's opinion of the fake. Usage: node github.mjs HOST PORT PRIVATE_KEY_FILE; the packages beside it.
import {readFileSync} from 'node:fs';
import {createAppAuth} from '@octokit/auth-app';
import {throttling} from '@octokit/plugin-throttling';
import {Octokit} from '@octokit/rest';
import {assert, check} from './report.mjs';

const [host, port, keyFile] = process.argv.slice(2);
const origin = `http://${host}:${port}`;
const baseUrl = `${origin}/github`;
const log = {debug() {}, info() {}, warn() {}, error() {}};
const octokit = new Octokit({auth: 'ghp_fake_sdk', baseUrl, log});

async function fails(promise, status, message = /./) {
  try {
    await promise;
  } catch (error) {
    assert(error.status === status, `${error.status} instead of ${status}: ${error.message}`);
    assert(message.test(error.message), error.message);
    return error;
  }
  throw new Error(`nothing was raised instead of ${status}`);
}

async function control(method, route, body) {
  const answer = await fetch(`${origin}/_control/${route}`, {method, body: body && JSON.stringify(body)});
  const text = await answer.text();
  assert(answer.ok, text);
  return JSON.parse(text);
}

async function truth(collection) {
  return Object.values((await control('GET', `truth?collection=github:${collection}`)).objects);
}

const same = (one, other) => JSON.stringify([...one].sort()) === JSON.stringify([...other].sort());
const [organization] = await truth('organization');
const org = organization.login;
// The busiest repository.
const issues = await truth('issue');
const busy = (await truth('repository'))
  .map((each) => ({...each, count: issues.filter((issue) => issue.repository_url === each.url).length}))
  .reduce((most, each) => (each.count > most.count ? each : most));
const at = {owner: busy.owner.login, repo: busy.name};

await check('paginate every list', async () => {
  const {rest} = octokit;
  const below = (url) => url.startsWith(`${busy.url}/`);
  const lists = {
    issue: [rest.issues.listForRepo, {...at, state: 'all'}],
    pull_request: [rest.pulls.list, {...at, state: 'all'}],
    issue_comment: [rest.issues.listCommentsForRepo, at],
    review_comment: [rest.pulls.listReviewCommentsForRepo, at],
    commit: [rest.repos.listCommits, at],
    release: [rest.repos.listReleases, at],
    label: [rest.issues.listLabelsForRepo, at],
    milestone: [rest.issues.listMilestones, {...at, state: 'all'}],
    deployment: [rest.repos.listDeployments, at],
    workflow: [rest.actions.listRepoWorkflows, at],
    workflow_run: [rest.actions.listWorkflowRunsForRepo, at],
  };
  let sum = 0;
  for (const [collection, [method, parameters]] of Object.entries(lists)) {
    for (const per_page of [7, 100]) {
      const found = await octokit.paginate(method, {...parameters, per_page});
      const key = (each) => each.id ?? each.sha;
      const expected = (await truth(collection)).filter((each) => below(each.url)).map(key);
      assert(expected.length > 0, `no ${collection}`);
      assert(same(found.map(key), expected), `${collection}: ${found.length} instead of ${expected.length}`);
      sum += found.length;
    }
  }
  for (const [method, parameters] of [
    [rest.repos.listBranches, at], [rest.repos.listTags, at], [rest.repos.listCollaborators, at],
    [rest.activity.listStargazersForRepo, at], [rest.teams.list, {org}], [rest.orgs.listMembers, {org}],
    [rest.repos.listForOrg, {org}], [rest.repos.listForAuthenticatedUser, {}],
    [rest.orgs.listForAuthenticatedUser, {}], [rest.users.list, {}],
  ]) {
    const small = await octokit.paginate(method, {...parameters, per_page: 2});
    const large = await octokit.paginate(method, {...parameters, per_page: 100});
    assert(large.length > 0 && JSON.stringify(small) === JSON.stringify(large), 'pages of 2 are not pages of 100');
    sum += large.length;
  }
  return sum;
});
await check('reviews', async () => {
  const reviews = (await truth('review')).filter((each) => each.pull_request_url.startsWith(`${busy.url}/`));
  const pull_number = Number(reviews[0].pull_request_url.split('/').at(-1));
  const found = await octokit.paginate(octokit.rest.pulls.listReviews, {...at, pull_number, per_page: 1});
  const expected = reviews.filter((each) => each.pull_request_url === reviews[0].pull_request_url);
  assert(same(found.map((each) => each.id), expected.map((each) => each.id)), 'others');
});
await check('since', async () => {
  const moments = issues.filter((each) => each.repository_url === busy.url).map((each) => each.updated_at).sort();
  const since = moments[Math.floor(moments.length / 2)];
  const parameters = {...at, state: 'all', sort: 'updated', direction: 'asc', since, per_page: 5};
  const found = await octokit.paginate(octokit.rest.issues.listForRepo, parameters);
  assert(found.length === moments.filter((each) => each >= since).length, `${found.length}`);
  assert(JSON.stringify(found.map((each) => each.updated_at)) === JSON.stringify(moments.filter((each) => each >= since)), 'order');
});
await check('stars with their time', async () => {
  const headers = {accept: 'application/vnd.github.star+json'};
  const {data} = await octokit.rest.activity.listStargazersForRepo({...at, headers});
  assert(data.length && data.every((each) => each.starred_at && each.user.login), JSON.stringify(data[0]));
});
await check('write issues', async () => {
  const {rest} = octokit;
  const {data: made} = await rest.issues.create({...at, title: 'Broken', body: 'It is', labels: ['bug']});
  const issue = {...at, issue_number: made.number};
  assert(made.state === 'open' && made.labels[0].name === 'bug', 'create');
  const {data: said} = await rest.issues.createComment({...issue, body: 'Indeed'});
  assert((await rest.issues.get(issue)).data.comments === 1, 'comments');
  await rest.issues.updateComment({...at, comment_id: said.id, body: 'Not quite'});
  assert((await rest.issues.listComments(issue)).data[0].body === 'Not quite', 'update comment');
  await rest.issues.deleteComment({...at, comment_id: said.id});
  await fails(rest.issues.getComment({...at, comment_id: said.id}), 404);
  const {data: closed} = await rest.issues.update({...issue, state: 'closed', state_reason: 'not_planned'});
  assert(closed.closed_at && closed.state_reason === 'not_planned', 'close');
  return made.number;
});
await check('write labels, milestones, releases', async () => {
  const {rest} = octokit;
  await rest.issues.createLabel({...at, name: 'urgent', color: 'ff0000'});
  await fails(rest.issues.createLabel({...at, name: 'Urgent', color: 'ff0000'}), 422, /already_exists/);
  const {data: renamed} = await rest.issues.updateLabel({...at, name: 'urgent', new_name: 'later'});
  assert(renamed.name === 'later', 'rename');
  await rest.issues.deleteLabel({...at, name: 'later'});
  const {data: milestone} = await rest.issues.createMilestone({...at, title: 'M1'});
  await rest.issues.updateMilestone({...at, milestone_number: milestone.number, state: 'closed'});
  await rest.issues.deleteMilestone({...at, milestone_number: milestone.number});
  const {data: release} = await rest.repos.createRelease({...at, tag_name: 'v99'});
  const {data: same} = await rest.repos.getReleaseByTag({...at, tag: 'v99'});
  assert(same.id === release.id, 'by tag');
  await rest.repos.deleteRelease({...at, release_id: release.id});
});
await check('conditional requests', async () => {
  const first = await octokit.rest.issues.listForRepo(at);
  const headers = {'if-none-match': first.headers.etag};
  await fails(octokit.rest.issues.listForRepo({...at, headers}), 304);
  const other = new Octokit({auth: 'ghp_fake_other', baseUrl, log});
  assert((await other.rest.issues.listForRepo({...at, headers})).status === 200, 'another token');
});
await check('errors', async () => {
  await fails(octokit.rest.repos.get({owner: 'nobody', repo: 'nothing'}), 404, /Not Found/);
  await fails(octokit.rest.issues.create({...at, title: ''}), 422, /Validation Failed/);
  await fails(octokit.rest.issues.listForRepo({...at, since: 'yesterday'}), 422);
  const bad = new Octokit({auth: 'ghp_wrong', baseUrl, log});
  await fails(bad.rest.repos.get(at), 401, /Bad credentials/);
});
await check('who it is', async () => {
  assert((await octokit.rest.users.getAuthenticated()).data.login === 'fake-owner', 'login');
  const {data} = await octokit.rest.rateLimit.get();
  assert(data.resources.core.limit === data.rate.limit, 'rate');
});
await check('renamed repository', async () => {
  const old = (await truth('repository')).find((each) => each.id !== busy.id && each.owner.login === org);
  await control('POST', 'update', {collection: 'github:repository', id: String(old.id), data: {name: 'renamed'}});
  const {data} = await octokit.rest.repos.get({owner: org, repo: old.name});
  assert(data.full_name === `${org}/renamed` && data.id === old.id, data.full_name);
  const labels = await octokit.paginate(octokit.rest.issues.listLabelsForRepo, {owner: org, repo: old.name, per_page: 1});
  assert(labels.every((each) => each.url.includes('/renamed/')), 'urls');
  return labels.length;
});
await check('as an App', async () => {
  const {id: installationId} = (await new Octokit({
    authStrategy: createAppAuth, auth: {appId: 77, privateKey: readFileSync(keyFile, 'utf8')}, baseUrl, log,
  }).rest.apps.listInstallations()).data[0];
  const app = new Octokit({
    authStrategy: createAppAuth,
    auth: {appId: 77, privateKey: readFileSync(keyFile, 'utf8'), installationId}, baseUrl, log,
  });
  assert((await app.rest.apps.getAuthenticated()).data.slug === 'fake-app', 'app');
  const found = await app.paginate(app.rest.apps.listReposAccessibleToInstallation, {per_page: 1});
  const own = (await truth('repository')).filter((each) => each.owner.id === installationId);
  assert(same(found.map((each) => each.id), own.map((each) => each.id)), `${found.length} of ${own.length}`);
  return found.length;
});
await check('limits', async () => {
  const met = [];
  const Throttled = Octokit.plugin(throttling);
  const throttle = {
    onRateLimit: (after) => met.push(['primary', after]) && false,
    onSecondaryRateLimit: (after) => met.push(['secondary', after]) && false,
  };
  const throttled = new Throttled({auth: 'ghp_fake_limited', baseUrl, log, throttle});
  await control('POST', 'settings', {provider: 'github', points_rate: 2, pause: 7});
  for (let i = 0; i < 2; i++) await throttled.rest.repos.get(at);
  await fails(throttled.rest.repos.get(at), 403, /secondary rate limit/);
  await control('POST', 'settings', {provider: 'github', points_rate: null, rate: 2, refusal_status: 429});
  const other = new Throttled({auth: 'ghp_fake_spent', baseUrl, log, throttle});
  for (let i = 0; i < 2; i++) await other.rest.repos.get(at);
  await fails(other.rest.repos.get(at), 429, /API rate limit exceeded/);
  assert(met.length === 2 && met[0][0] === 'secondary' && met[0][1] === 7, JSON.stringify(met));
  assert(met[1][0] === 'primary' && met[1][1] > 3000 && met[1][1] <= 3601, JSON.stringify(met));
});
