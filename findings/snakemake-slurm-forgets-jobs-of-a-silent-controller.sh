#!/usr/bin/env bash
# snakemake-executor-plugin-slurm 2.8.0, snakemake 9.27.1, Python 3.11
#
# When the controller does not answer for one status check, Snakemake forgets all jobs that run, and waits for ever. The
# check asks up to --slurm-status-attempts times (5), one after the other, without a pause. If none is answered, it
# yields no job, and what is not yielded is no longer active: no later check asks for it.
#
# Seen with one attempt, and with a squeue that fails once and answers COMPLETED from then on:
#     squeue always answers      Snakemake ends after the first check
#     squeue fails once          Snakemake never ends, though the job's output has long been there
#
# Why it matters: controllers are restarted for updates. A real one (SLURM 22.05) that was away for 45 seconds left the
# driver of a study hanging, with nothing on the screen. Where the state stays away for less than the attempts take, or
# no check falls into the gap, nothing happens. With --slurm-status-command squeue it is the same, or sacct is asked
# instead if MinJobAge cannot be read at that moment, which fails without accounting.
#
# The commands of SLURM are stand-ins here; `sbatch` runs the job at once. The script ends with 1 when the behaviour has
# changed.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export HOME="$folder"
unset SLURM_JOB_ID SLURM_JOBID

python3 -m venv venv
cat > requirements.txt <<'END'
annotated-types==0.8.0
argparse-dataclass==2.0.0
attrs==26.1.0
certifi==2026.10.18
charset-normalizer==3.5.2
conda-inject==1.3.2
ConfigArgParse==1.9.0
connection_pool==0.0.3
docutils==0.22.4
dpath==2.2.0
fastjsonschema==2.22.3
gitdb==4.0.12
GitPython==3.2.1
greenlet==3.5.6
humanfriendly==10.0
idna==3.20
immutables==0.21
Jinja2==3.1.6
jsonschema==4.26.0
jsonschema-specifications==2025.9.1
jupyter_core==5.9.1
MarkupSafe==3.0.4
nbformat==5.11.1
numpy==2.4.6
packaging==25.0
pandas==3.1.1
platformdirs==4.14.5
psutil==7.2.2
PuLP==3.3.2
pydantic==2.14.3
pydantic_core==2.50.4
python-dateutil==4.0.0
PyYAML==6.0.3
referencing==0.37.0
requests==2.34.2
rpds-py==2026.9.1
smart_open==7.7.1
smmap==5.0.3
snakemake==9.27.1
snakemake-executor-plugin-slurm==2.8.0
snakemake-executor-plugin-slurm-jobstep==0.6.1
snakemake-interface-common==1.23.0
snakemake-interface-executor-plugins==9.4.0
snakemake-interface-logger-plugins==2.1.0
snakemake-interface-report-plugins==1.3.0
snakemake-interface-scheduler-plugins==2.0.2
snakemake-interface-storage-plugins==4.4.1
SQLAlchemy==2.0.58
sqlmodel==0.0.37
tabulate==0.10.0
tenacity==9.2.1
throttler==1.2.3
traitlets==5.16.1
typing-inspection==0.4.5
typing_extensions==4.16.0
tzdata==2026.6
urllib3==2.8.0
wrapt==2.5.2
yte==1.9.4
END
venv/bin/pip install --quiet --requirement requirements.txt

mkdir bin
cat > bin/sbatch <<'END'
#!/bin/sh
touch made.txt
echo 7
END
cat > bin/squeue <<'END'
#!/bin/sh
if [ -e away ]; then
    rm away
    echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2
    exit 1
fi
echo "7|COMPLETED"
END
cat > bin/scontrol <<'END'
#!/bin/sh
echo "MinJobAge               = 300 sec"
echo "MaxArraySize            = 1001"
END
printf '#!/bin/sh\n' | tee bin/sinfo bin/scancel bin/sacctmgr >/dev/null
chmod +x bin/*
export PATH="$folder/bin:$folder/venv/bin:$PATH"

cat > Snakefile <<'END'
rule made:
    output: "made.txt"
    resources: slurm_account="none", slurm_partition="none", runtime=5, mem_mb=100
    shell: "touch {output}"
END

run() {
    rm -rf made.txt .snakemake
    timeout --signal=KILL 60 snakemake --executor slurm --jobs 1 --slurm-status-command squeue --slurm-status-attempts 1 \
        --slurm-init-seconds-before-status-checks 2 --latency-wait 2 > log.txt 2>&1
}

code=0
run || code=$?
echo "squeue always answers: exit code $code"
[ $code -eq 0 ] || { tail -n 20 log.txt; echo "the stand-ins do not do"; exit 1; }
touch away
run || code=$?
echo "squeue fails once: exit code $code after 60 seconds (137: it was still waiting, and SIGTERM does not end it)"
[ $code -eq 137 ] && [ ! -e away ] && [ -e made.txt ] || { echo "the behaviour has changed"; exit 1; }
echo "as described: the job is forgotten"
