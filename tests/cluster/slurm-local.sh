#!/usr/bin/env bash
# A real SLURM on one machine, for tests: slurm-local.sh install|start|stop|status [FOLDER]
# and stop-controller|start-controller [FOLDER], which leave nodes and their jobs running.
#
# Debian's packages, as root, without systemd, cgroups or accounting, on the loopback interface only: one controller
# and NODES virtual nodes that claim CPUS cores, MEMORY megabytes and one GPU each (no device is behind it).
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

command=${1:-status}
folder=${2:-/tmp/smelt-slurm}
: "${NODES:=2}" "${CPUS:=4}" "${MEMORY:=12000}" "${PORT:=26810}"
mkdir -p "$folder"
folder=$(realpath "$folder")
export SLURM_CONF=$folder/slurm.conf

install() {
    dpkg-query --show munge slurm-client slurmctld slurmd >/dev/null 2>&1 && return
    # Package scripts would start the daemons with a configuration that is not ours.
    local policy=/usr/sbin/policy-rc.d ours=no
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=yes; }
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends munge slurm-client slurmctld slurmd >/dev/null
    [ $ours = no ] || rm -f "$policy"
}

configure() {
    local host last
    host=$(hostname -s)
    last=$((PORT + NODES))
    mkdir -p "$folder"/{state,spool,log}
    [ -s "$folder/munge.key" ] || (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
    cat >"$SLURM_CONF" <<CONF
ClusterName=smelt
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.sock
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.%n.log
PlugStackConfig=/dev/null
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
ReturnToService=2
EnforcePartLimits=ALL
MinJobAge=3600
KillWait=2
AccountingStorageType=accounting_storage/none
GresTypes=gpu
NodeName=n[1-$NODES] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[$((PORT + 1))-$last] CPUs=$CPUS RealMemory=$MEMORY Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=n[1-$NODES] Default=YES MaxTime=INFINITE State=UP
CONF
    for node in $(seq "$NODES"); do echo "NodeName=n$node Name=gpu File=/dev/null"; done >"$folder/gres.conf"
    echo 'CgroupAutomount=no' >"$folder/cgroup.conf"
    # Snakemake's job steps drop every SLURM_* variable: srun must find the files where it was compiled to look.
    mkdir -p /etc/slurm
    for file in slurm.conf gres.conf cgroup.conf; do
        [ -e "/etc/slurm/$file" ] && [ ! -L "/etc/slurm/$file" ] && { echo "/etc/slurm/$file is another cluster's" >&2; exit 1; }
        ln -sfn "$folder/$file" "/etc/slurm/$file"
    done
}

ready() { [ "$(sinfo --noheader --Node --states=idle --format=%N 2>/dev/null | sort -u | wc -l)" -eq "$NODES" ]; }

start() {
    configure
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.sock" --pid-file="$folder/munged.pid" \
        --log-file="$folder/log/munged.log" --seed-file="$folder/munge.seed"
    slurmctld -f "$SLURM_CONF"
    for node in $(seq "$NODES"); do
        mkdir -p "$folder/spool/n$node"
        slurmd -N "n$node" -f "$SLURM_CONF"
    done
    for _ in $(seq 200); do ready && return; sleep 0.1; done
    sinfo --long --Node >&2
    exit 1
}

end() { # the process that a file names, and wait until its port is free; one that nobody reaps has no command line
    local pid
    pid=$(<"$1")
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 200); do grep -qa . "/proc/$pid/cmdline" 2>/dev/null || return 0; sleep 0.1; done
    kill -9 "$pid"
}

stop() {
    timeout 10 scancel --user="$(id -un)" 2>/dev/null || true
    for pid in "$folder"/slurmd.*.pid "$folder/slurmctld.pid" "$folder/munged.pid"; do
        [ ! -s "$pid" ] || end "$pid"
    done
    for file in slurm.conf gres.conf cgroup.conf; do
        [ "$(readlink "/etc/slurm/$file")" != "$folder/$file" ] || rm "/etc/slurm/$file"
    done
}

case $command in
install) install ;;
start) install && start ;;
stop) stop ;;
stop-controller) end "$folder/slurmctld.pid" ;;
start-controller) slurmctld -f "$SLURM_CONF" ;;
status) sinfo --long --Node && squeue ;;
*) sed -n 2,6p "$0" && exit 2 ;;
esac
