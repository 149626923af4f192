#!/bin/bash
# An archive on Slurm: sbatch --nodes 8 deploy/slurm.sh SOURCE OUT [further options]
# SOURCE and OUT lie where every node sees them; Sottovoce with its extra `archive` is on the PATH of each.
#SBATCH --job-name=sottovoce-archive
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --exclusive
#SBATCH --time=24:00:00
set -euo pipefail

export RAY_USAGE_STATS_ENABLED=0
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=$(head -n 1 <<<"$nodes")
ip=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')
export RAY_ADDRESS="$ip:6379"

# All nodes show the same token, so that nobody else on the network can use the cluster.
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=${RAY_AUTH_TOKEN:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}
export RAY_AUTH_TOKEN

env --unset=RAY_ADDRESS srun --nodes=1 --ntasks=1 --nodelist="$head" \
  ray start --head --node-ip-address="$ip" --port=6379 --num-cpus="$SLURM_CPUS_PER_TASK" \
  --include-dashboard=false --disable-usage-stats --block &
for node in $(tail -n +2 <<<"$nodes"); do
  env --unset=RAY_ADDRESS srun --nodes=1 --ntasks=1 --nodelist="$node" \
    ray start --address="$ip:6379" --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats --block &
done
until ray status >/dev/null 2>&1; do sleep 2; done  # the head answers; nodes may join later

# The driver runs in the batch step, on the first node. The nodes' Ray ends with the job.
sottovoce archive "$@"
