#!/usr/bin/env bash
# codecarbon 3.3.2, psutil 7.2.2, Python 3.11
#
# In a SLURM job, tracking_mode="process" gives another CPU energy for the same work: it is multiplied by
# (CPUs of the node) / (CPUs of the job). The load of the process is divided by NumCPUs of `scontrol show job`, which are
# the CPUs of the job, but then multiplied by the rated power of all CPUs of the machine.
#
# Seen, for one second of CPU time on a machine of 2 CPUs that take 1000 W together (0.139 Wh expected):
#     outside SLURM                                0.14 Wh
#     job with 1 CPU of the node                   0.28 Wh   times 2 (times 16 for 4 of 64 CPUs)
#     job with 8 CPUs on several nodes             0.035 Wh  a quarter: NumCPUs counts those of all nodes
#     job without scontrol (most containers)       nothing is measured, and no exception is raised
#
# Why it matters: papers state energy and emissions by codecarbon, and process mode is what fits shared nodes. A small job
# on a large node is stated one or two orders of magnitude too high, and two jobs on one node cannot be compared. What is
# too high depends on --cpus-per-task, not on the work. Only processors that codecarbon knows, or whose power is given, are
# concerned: for unknown ones its guess of 4 W per CPU uses NumCPUs as well, which cancels out.
#
# `scontrol` is a stand-in here that prints the two lines that codecarbon reads. The script ends with 1 when the behaviour
# has changed.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export HOME="$folder"
unset SLURM_JOB_ID SLURM_JOBID

python3 -m venv venv
cat > requirements.txt <<'END'
annotated-doc==0.0.7
annotated-types==0.8.0
arrow==1.4.0
Authlib==1.9.10
certifi==2026.10.19.post1
cffi==2.1.1
charset-normalizer==3.5.3
click==8.5.1
codecarbon==3.3.2
cryptography==50.0.2
idna==3.20
joserfc==1.8.0
markdown-it-py==4.3.0
mdurl==0.1.2
numpy==2.4.6
nvidia-ml-py==13.615.71
pandas==3.1.1
prometheus_client==0.26.0
prompt_toolkit==3.0.53
psutil==7.2.2
py-cpuinfo==9.0.0
pycountry==26.2.16
pycparser==3.12
pydantic==2.14.4
pydantic_core==2.50.5
Pygments==2.21.0
python-dateutil==4.0.0
questionary==2.1.1
RapidFuzz==3.14.6
requests==2.34.2
rich==15.0.0
shellingham==1.5.4
typer==0.29.2
typing-inspection==0.4.5
typing_extensions==4.16.0
tzdata==2026.6
urllib3==2.8.0
wcwidth==0.9.4
END
venv/bin/pip install --quiet --requirement requirements.txt

cat > work.py <<'END'
import logging
import time

from codecarbon import OfflineEmissionsTracker

logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
tracker = OfflineEmissionsTracker(
    country_iso_code="FRA",
    tracking_mode="process",
    force_cpu_power=1000,  # watts of all CPUs of the machine
    save_to_file=False,
    log_level="critical",
    allow_multiple_runs=True,
)
tracker.start()
end = time.process_time() + 1
while time.process_time() < end:
    pass
tracker.stop()
data = getattr(tracker, "final_emissions_data", None)
print(1000 * data.cpu_energy if data else "nothing")
END

mkdir bin empty
cat > bin/scontrol <<'END'
#!/bin/sh
echo "JobId=$3 JobName=train"
echo "   NumNodes=1 NumCPUs=$JOB_CPUS NumTasks=1 CPUs/Task=$JOB_CPUS"
echo "   AllocTRES=cpu=$JOB_CPUS,mem=4G,node=1"
END
chmod +x bin/scontrol

cpus=$(venv/bin/python -c 'import psutil; print(psutil.cpu_count())')
outside=$(venv/bin/python work.py)
part=$(JOB_CPUS=1 SLURM_JOB_ID=7 PATH="$folder/bin:$PATH" venv/bin/python work.py)
nodes=$(JOB_CPUS=$((4 * cpus)) SLURM_JOB_ID=7 PATH="$folder/bin:$PATH" venv/bin/python work.py)
without=$(SLURM_JOB_ID=7 PATH="$folder/empty" venv/bin/python work.py 2>/dev/null || true)

echo "Wh of the CPU for one second of CPU time, on $cpus CPUs that take 1000 W together"
echo "outside SLURM:                     $outside"
echo "job with 1 CPU:                    $part"
echo "job with $((4 * cpus)) CPUs on several nodes:   $nodes"
echo "job without scontrol:              $without"

venv/bin/python - "$cpus" "$outside" "$part" "$nodes" "$without" <<'END'
import sys

cpus, outside, part, nodes = map(float, sys.argv[1:5])
same = 0.7 < part / outside / cpus < 1.4 and 0.7 < 4 * nodes / outside < 1.4
if not same or sys.argv[5] not in ("", "nothing"):
    sys.exit("the behaviour has changed")
print(f"as described: {part / outside:.1f} and {nodes / outside:.2f} times the energy of the same work outside SLURM")
END
