# Who the proxy is, what it may do, and what is not in its image.
set -eu

test "$(id -u)" = 901
test -z "$(find /usr /opt -xdev -type f -perm /6000)"
! touch /opt/proxy/probe 2> /dev/null
test -w /secret
test ! -e /secret/proxy-token
test ! -e /run/secrets
test ! -e /run/with-ca
test -z "${NODE_EXTRA_CA_CERTS:-}"
node /opt/proxy/node_modules/.bin/configurable-http-proxy --version
