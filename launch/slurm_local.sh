#!/usr/bin/env bash
# Brings up Slurm on this machine, runs one command against it, and takes it down again.
#
#   launch/slurm_local.sh .venv/bin/python launch/slurm_demo.py     # trains, preempts, resumes
#   launch/slurm_local.sh bash                                      # look around
#
# For root on a Debian machine, such as CI's, which must not run another Slurm. Installs Debian's
# packages where they are missing; all else is in a temporary folder: configuration, keys, state,
# logs. Nothing to edit.
set -euo pipefail

fail() {
  echo "error: $1" >&2
  exit 2
}

(($# > 0)) || fail "say what to run: launch/slurm_local.sh COMMAND [ARGUMENTS]"
((EUID == 0)) || fail "Slurm's daemons are started as root here, and this is $(id -un)"
export PATH="$PATH:/usr/sbin:/sbin"
missing=false
for program in slurmctld slurmd srun munged; do
  command -v "$program" > /dev/null || missing=true
done
if $missing; then
  command -v apt-get > /dev/null || fail "Slurm is not installed, and there is no apt-get to do it"
  echo "installing slurmctld, slurmd, slurm-client and munge" >&2
  {
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
      --no-install-recommends slurmctld slurmd slurm-client munge
  } > /dev/null || fail "apt-get could not install slurmctld, slurmd, slurm-client and munge"
fi

folder="$(mktemp -d)"
chmod 755 "$folder"  # munged wants no folder above its socket that others can write to
mkdir "$folder/state" "$folder/spool"
read -r port_controller port_node <<< "$(python3 -c '
import socket
free = [socket.socket() for _ in range(2)]
for s in free:
    s.bind(("", 0))
print(*(s.getsockname()[1] for s in free))')"

# A node named localhost, since JAX's coordinator is at the name of the job's first node. Jobs are
# signalled and killed as on a real cluster; no cgroups, which containers often lack. cred_expire is
# also how long a requeued job waits before it starts again: 120 s by default.
cat > "$folder/slurm.conf" << END
ClusterName=local
SlurmctldHost=localhost
SlurmctldPort=$port_controller
SlurmdPort=$port_node
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
JobAcctGatherType=jobacct_gather/none
SchedulerParameters=batch_sched_delay=0,sched_interval=2
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=localhost CPUs=$(($(nproc) > 2 ? $(nproc) : 2)) State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF="$folder/slurm.conf"

daemons=()
stop() {
  # A job's processes are not the daemons' children: they must be gone first, after KillWait's 30 s.
  scancel --quiet --user=root 2> /dev/null || true
  for _ in $(seq 80); do
    [[ -z "$(squeue --noheader 2> /dev/null || true)" ]] && break
    sleep 0.5
  done
  for signal in TERM KILL; do  # slurmd may wait for ever for a job that does not end
    kill "-$signal" "${daemons[@]}" 2> /dev/null || true
    for _ in $(seq 20); do
      [[ -z "$(jobs -rp)" ]] && break
      sleep 0.2
    done
  done
  rm -rf "$folder"
}
trap stop EXIT

# In the foreground of this shell, so that they are its children and end with it.
dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
chmod 400 "$folder/munge.key"
munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
  --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munged.seed" \
  2> "$folder/munged.err" &
daemons+=($!)
slurmctld -D -f "$SLURM_CONF" 2> "$folder/slurmctld.err" &
daemons+=($!)
slurmd -D -N localhost -f "$SLURM_CONF" 2> "$folder/slurmd.err" &
daemons+=($!)

for _ in $(seq 60); do
  sleep 0.5
  state="$(sinfo --noheader --format=%T 2> /dev/null || true)"
  [[ "$state" == idle ]] && break
done
if [[ "$state" != idle ]]; then
  tail -n 5 "$folder"/*.err "$folder"/*.log >&2
  fail "Slurm did not come up within 30 s; the ends of its logs are above"
fi
"$@"
