#!/bin/sh
# What leat plan costs: fleets of N Kustomizations in a mirror, of which one line of
# the entry changes. "head in" is the time from where base stands. The second plan of
# each is a new process that goes on from the base that the first one kept.
#
#	sh bench/plan.sh 100 500 1000
#
# It needs bin/leat (make build), GNU time at /usr/bin/time, and no network.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for n in "$@"; do
	fleet=$dir/$n
	mkdir -p "$fleet/base/clusters/x" "$fleet/head/clusters/x"
	go run ./bench/generate --dir "$fleet" --apps "$n" --url https://git.example.com/fleet.git >/dev/null
	cp "$fleet/fleet.yaml" "$fleet/base/clusters/x/"
	awk '!done && sub(/interval: 1m0s/, "interval: 2m0s") { done = 1 } 1' "$fleet/fleet.yaml" >"$fleet/head/clusters/x/fleet.yaml"
	for base in rendered kept; do
		/usr/bin/time -f "$n, base $base: %U s user, %S s system, %e s wall, %M KiB" "${LEAT:-bin/leat}" plan "$fleet/head" --base "$fleet/base" \
			--path clusters/x --cache-dir "$dir/cache" --mirror "https://git.example.com/fleet.git=$fleet/fleet.git" | grep 'base rendered' || true
	done
done
