# What ./check and scripts/static share: steps that report one line each, and build directories. To be sourced.

export LC_ALL=C.UTF-8
jobs=$(nproc)
failed_steps=()
step_pid=
step_log=
trap 'interrupted' INT TERM HUP

interrupted() {
	[ -z "$step_pid" ] || kill -TERM -- "-$step_pid" 2>/dev/null || :
	[ -z "$step_log" ] || rm -f "$step_log"
	exit 130
}

# step NAME COMMAND...: run it and say in one line how it ended and after how many seconds. Shows the output of what failed and
# notes its name in failed_steps. Always returns 0.
step() {
	local name=$1 begin=$EPOCHREALTIME
	step_log=$(mktemp)
	run_group "${@:2}" >"$step_log" 2>&1
	say_end "$name" "$status" "$begin" "$(result_of "$step_log")"
	[ "$status" = 0 ] || sed 's/^/    /' "$step_log"
	rm -f "$step_log"
}

# substeps NAME COMMAND...: the same for a program that reports its own steps.
substeps() {
	run_group "${@:2}"
	[ "$status" = 0 ] || failed_steps+=("$1")
}

# Run a command in a process group of its own, which an interrupted run can end whole. Sets `status` and returns 0: in what
# stands before `||`, `set -e` would have no effect.
run_group() {
	status=0
	set -m
	("$@") </dev/null &
	step_pid=$!
	set +m
	wait "$step_pid" || status=$?
	step_pid=
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
