#!/bin/bash
# The driver as a SLURM job, where login nodes allow no long processes:
#
#     sbatch profiles/slurm-driver/driver.sh my-study.yaml
#
# from the checkout, with smelt's environment active. It runs `smelt run my-study.yaml --profile slurm`. Further words
# are those of `smelt run`. When its time ends or its node fails, its jobs run on, and its successor takes them over.
# `scancel --name=smelt-driver` ends it for good; jobs that run go on, and the next driver takes them over.

# The name by which squeue and scancel know it.
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
# A partition for long and small jobs, and the account, where your site has them:
##SBATCH --partition=long
##SBATCH --account=your-account

set -uo pipefail

# An earlier driver that was killed on another node keeps its lock for five minutes without a sign of life.
if [ -n "${SMELT_DRIVER_BEFORE:-}" ]; then
    echo "smelt: goes on for driver $SMELT_DRIVER_BEFORE, whose jobs run on"
    sleep "${SMELT_DRIVER_PAUSE:-330}"
fi

# The one that goes on if this one is killed. SLURM keeps a copy of this script for the job: that is submitted again.
successor=$(sbatch --parsable --dependency="afterany:$SLURM_JOB_ID" --job-name="$SLURM_JOB_NAME" \
    --time="$(squeue --noheader --job="$SLURM_JOB_ID" --format=%l)" \
    --export="ALL,SMELT_DRIVER_BEFORE=$SLURM_JOB_ID" "$0" "$@") || exit 1
successor=${successor%%;*}

began=$SECONDS
smelt run --profile slurm "$@"
code=$?

# Above 128 a signal has ended it. If it got nowhere before, the next one would not either.
if [ $code -lt 128 ] || [ $((SECONDS - began)) -lt 600 ]; then
    scancel "$successor"
    echo "smelt: the driver has ended with exit code $code"
fi
exit $code
