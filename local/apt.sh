#!/bin/sh
# Installs Debian packages as root without starting any service: we run our own processes, and a
# system-wide one would hold their ports. Usage: sudo sh local/apt.sh PACKAGE...
set -u
policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
saved=$policy.suroga-saved
mark='# placed by suroga (local/apt.sh) while packages are installed'

restore() {
  if [ -e "$saved" ]; then mv -f "$saved" "$policy"
  elif grep -qsF "$mark" "$policy"; then rm -f "$policy"; fi
}
restore # what an interrupted run left behind
trap restore EXIT
trap 'exit 130' INT TERM HUP

units=${SYSTEM_UNITS:-/lib/systemd/system}
ours='janus redis-server'
new=
for name in $ours; do [ -e "$units/$name.service" ] || new="$new $name.service"; done
if [ -e "$policy" ]; then mv "$policy" "$saved"; fi
printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt() { apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"; }
install() { apt install -y --no-install-recommends "$@"; }

# Lists older than a day name versions that the mirror may have dropped.
fresh=$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mmin -1440 2>/dev/null | head -n 1)
[ -n "$fresh" ] || apt update || echo "apt-get update failed: trying with the lists there are"
install "$@" || { apt update && install "$@"; } || exit 1

# Not at the next boot either, unless it was there before us.
for unit in $new; do
  if [ -e "$units/$unit" ] && command -v systemctl >/dev/null; then
    systemctl disable "$unit" 2>/dev/null || true
  fi
done
