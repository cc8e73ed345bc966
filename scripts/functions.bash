# What ./check and scripts/static share: steps that report one line each, and build directories. To be sourced.

export LC_ALL=C.UTF-8
jobs=$(nproc)
failed_steps=()

# step NAME COMMAND...: run it and say in one line how it ended and after how many seconds. Shows the output of what failed and
# notes its name in failed_steps. Always returns 0: in what stands before `||` or after `if`, `set -e` would have no effect.
step() {
	local name=$1 log status=0 begin=$EPOCHREALTIME
	shift
	log=$(mktemp)
	("$@") >"$log" 2>&1 </dev/null &
	wait $! || status=$?
	say_end "$name" "$status" "$begin" "$(result_of "$log")"
	[ "$status" = 0 ] || sed 's/^/    /' "$log"
	rm -f "$log"
}

# Lines of a step's output that begin with "result: " are shown on the step's own line.
result_of() {
	sed -n 's/^result: //p' "$1" | paste -sd ' '
}

say_end() {
	local word=ok begin=$3
	if [ "$2" != 0 ]; then
		word=FAILED
		failed_steps+=("$1")
	fi
	printf '%-7s%6.1f s  %s%s\n' "$word" "$((${EPOCHREALTIME/./} - ${begin/./}))e-6" "$1" "${4:+: $4}"
}

# configure DIR OPTION...: make DIR a meson build directory with exactly these options.
configure() {
	local dir=$1 options
	shift
	options="CC=${CC-} $*"
	[ "$(cat "$dir/.options" 2>/dev/null)" != "$options" ] || return 0
	rm -rf "$dir"
	mkdir -p "$dir"
	meson setup "$dir" . "$@" >"$dir/setup.log" 2>&1 || { tail -n 5 "$dir/setup.log"; return 1; }
	echo "$options" >"$dir/.options"
}

# build DIR OPTION...: configure and build DIR; DIR/.built tells that it is whole.
build() {
	local dir=$1
	rm -f "$dir/.built"
	configure "$@"
	ninja -C "$dir" -j "$jobs" -k 20 --quiet
	touch "$dir/.built"
}
