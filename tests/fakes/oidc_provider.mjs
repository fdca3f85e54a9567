// A real OpenID provider for tests: oidc-provider, with people whom everybody knows by name.
//
//   node oidc_provider.mjs {port} {client} {secret} {JSON: {person: {claim: value}}}
//
// It says "ready" on standard output. People sign in on its own page, with any password, and consent on the next.
// `groups` is told by its userinfo alone, `roles` by the ID token: there are providers of both kinds.

import { Provider } from 'oidc-provider';

const [port, client, secret, people] = process.argv.slice(2);
const known = JSON.parse(people);

const provider = new Provider('http://127.0.0.1:' + port, {
  clients: [
    {
      client_id: client,
      client_secret: secret,
      application_type: 'native', // takes any port of loopback, as each centre of the tests has its own (RFC 8252 §7.3)
      redirect_uris: ['http://127.0.0.1/api/v1/oidc/back'],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  claims: { openid: ['sub', 'roles'], profile: ['name', 'preferred_username', 'groups'] },
  cookies: { keys: ['of the tests'] },
  pkce: { required: () => true },
  ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
  findAccount: (_ctx, id) => (id in known ? { accountId: id, claims: () => ({ sub: id, ...known[id] }) } : undefined),
});

provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
