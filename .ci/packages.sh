#!/bin/sh
# Install Debian packages without letting any of them start a server on this machine.
# Usage (as root): .ci/packages.sh PACKAGE...
set -eu

cluster_switch=/etc/postgresql-common/createcluster.d/dataprotect-setup.conf
service_switch=/usr/sbin/policy-rc.d
made=""

clean() {
    for file in $made; do rm -f "$file"; done
    rmdir --ignore-fail-on-non-empty /etc/postgresql-common/createcluster.d 2>/dev/null || true
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Debian would create a cluster "main" and start it. Both switches are ours alone and gone again afterwards.
mkdir -p /etc/postgresql-common/createcluster.d
if [ ! -e "$cluster_switch" ]; then
    made="$made $cluster_switch"
    echo "create_main_cluster = false" >"$cluster_switch"
fi
if [ ! -e "$service_switch" ]; then
    made="$made $service_switch"
    printf '#!/bin/sh\n# Temporary: DataProtect is installing packages and starts no service.\nexit 101\n' >"$service_switch"
    chmod 755 "$service_switch"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -q -o Acquire::Retries=3 update || echo "apt-get update failed; trying with the lists that are here" >&2
apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 install "$@"
