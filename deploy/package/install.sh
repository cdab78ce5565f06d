#!/bin/sh
# Installs what lies beside this file below /usr/local, or another folder: ./install.sh [PREFIX]. As root also a user and a unit of systemd.
set -eu
cd "$(dirname "$0")"
prefix=${1-/usr/local}

put() { install -D -m "$1" "$2" "$prefix/$3"; }
if [ -d lib/taxi-cli ]; then
    for file in lib/taxi-cli/*; do put 755 "$file" "$file"; done
    install -d "$prefix/bin"
    ln -sf ../lib/taxi-cli/taxi-cli "$prefix/bin/taxi-cli"
else
    put 755 bin/taxi-cli bin/taxi-cli
fi
put 644 share/man/man1/taxi-cli.1.gz share/man/man1/taxi-cli.1.gz
put 644 share/bash-completion/completions/taxi-cli share/bash-completion/completions/taxi-cli
put 644 share/zsh/site-functions/_taxi-cli share/zsh/site-functions/_taxi-cli
put 644 share/fish/vendor_completions.d/taxi-cli.fish share/fish/vendor_completions.d/taxi-cli.fish
"$prefix/bin/taxi-cli" --version || {
    echo "install.sh: it lacks a library of the system; on Debian and Ubuntu: apt-get install $(cat packages)" >&2
    exit 69
}

if [ "$(id -u)" -ne 0 ] || ! command -v systemctl >/dev/null; then exit 0; fi
if ! getent passwd taxi-cli >/dev/null; then
    useradd --system --home-dir /var/lib/taxi-cli --no-create-home --shell /usr/sbin/nologin taxi-cli
fi
install -d -m 0700 -o taxi-cli -g taxi-cli /var/lib/taxi-cli
for name in environment serve.yaml; do
    if [ ! -e /etc/taxi-cli/$name ]; then install -D -m 644 etc/$name /etc/taxi-cli/$name; fi
done
if [ ! -e /var/lib/taxi-cli/serve.yaml ]; then ln -s /etc/taxi-cli/serve.yaml /var/lib/taxi-cli/serve.yaml; fi
install -d /etc/systemd/system
sed "s|/usr/local/bin|$(cd "$prefix" && pwd)/bin|" systemd/taxi-cli.service >/etc/systemd/system/taxi-cli.service
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
echo "to start it now and at each boot: systemctl enable --now taxi-cli"
