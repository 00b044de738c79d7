#!/bin/bash
# The driver as a SLURM job, where login nodes allow no long processes:
#
#     sbatch profiles/slurm-driver/driver.sh my-study.yaml
#
# from the checkout, with smelt's environment active. It runs `smelt run my-study.yaml --profile slurm`. Further words
# are those of `smelt run`. When its time ends or its node fails, its jobs run on, and its successor takes them over.
# Once it runs it is called smelt-driver-my-study: `scancel --name=smelt-driver-my-study` ends it and its successor;
# jobs that run go on, and the next driver takes them over.

#SBATCH --job-name=smelt-driver
# It submits and watches, and downloads and unpacks no more than a few files at once.
#SBATCH --cpus-per-task=2
# Megabytes of memory: enough for a study of some thousand jobs.
#SBATCH --mem=4000
# As long as your partition allows; a study may take longer.
#SBATCH --time=1-00:00:00
# Its screen.
#SBATCH --output=smelt-driver-%j.log
# SLURM must not start it a second time beside its successor.
#SBATCH --no-requeue
# A partition for long and small jobs, and the account, where your site has them. What you write here or behind sbatch
# counts for its successors, too.
##SBATCH --partition=long
##SBATCH --account=your-account

set -uo pipefail

study=$(basename "${1:?expected: sbatch profiles/slurm-driver/driver.sh my-study.yaml}")
name=smelt-driver-${study%.*}
scontrol update "JobId=$SLURM_JOB_ID" "JobName=$name"

# An earlier driver that was killed on another node keeps its lock for five minutes without a sign of life.
if [ -n "${SMELT_DRIVER_BEFORE:-}" ]; then
    echo "smelt: goes on for driver $SMELT_DRIVER_BEFORE, whose jobs run on"
    sleep "${SMELT_DRIVER_PAUSE:-330}"
fi

# Its successor asks for what it was given itself.
asked=("--job-name=$name" "--cpus-per-task=${SLURM_CPUS_PER_TASK:-2}")
[ -z "${SLURM_MEM_PER_NODE:-}" ] || asked+=("--mem=$SLURM_MEM_PER_NODE")
[ -z "${SLURM_MEM_PER_CPU:-}" ] || asked+=("--mem-per-cpu=$SLURM_MEM_PER_CPU")
IFS='|' read -r time partition account qos reservation constraint \
    < <(squeue --noheader --job="$SLURM_JOB_ID" --format='%l|%P|%a|%q|%v|%f')
for flag in time partition account qos reservation constraint; do
    case ${!flag:-} in "" | "(null)" | N/A) ;; *) asked+=("--$flag=${!flag}") ;; esac
done

# The one that goes on if this one is killed. SLURM keeps a copy of this script for the job: that is submitted again.
successor=$(sbatch --parsable --dependency="afterany:$SLURM_JOB_ID" "${asked[@]}" \
    --export="ALL,SMELT_DRIVER_BEFORE=$SLURM_JOB_ID" "$0" "$@") ||
    echo "smelt: warning: SLURM takes no successor of this driver: if it is killed, submit it again"
successor=${successor%%;*}

began=$SECONDS
smelt run --profile slurm "$@"
code=$?

# Above 128 a signal has ended it. If it got nowhere before, the next one would not either.
if [ $code -lt 128 ] || [ $((SECONDS - began)) -lt 600 ]; then
    [ -z "$successor" ] || scancel "$successor"
    echo "smelt: the driver has ended with exit code $code"
fi
exit $code
