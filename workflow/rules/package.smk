"""
Finds the package that the rules run, and lets every job import it in whatever environment it runs.

IN   the folder of these rules: in a checkout, or of a commit that Snakemake has fetched (`snakefile: github(...)`)
OUT  PACKAGE : the folder beside them; of a fetched commit, .snakemake/smelt/<commit>, written once
"""

import io
import os
import re
import tarfile
import tempfile
from importlib.util import find_spec

from snakemake.sourcecache import HostingProviderFile


def package_of(rules):
    """Return the folder that holds the package of these rules.

    Snakemake fetches single files of a module, but jobs import the whole package.
    """
    if not isinstance(rules, HostingProviderFile):
        return Path(rules.get_path_or_uri(secret_free=True)).parent
    repository = rules.hosted_repo.repo
    commit = repository.commit(rules.ref)
    folder = Path(".snakemake/smelt").absolute() / commit.hexsha
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        archive = io.BytesIO()
        repository.archive(archive, commit.hexsha, path="workflow")
        archive.seek(0)
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            tarfile.open(fileobj=archive).extractall(draft, filter="data")
            try:
                (Path(draft) / "workflow").rename(folder)
            except OSError:
                if not folder.exists():  # made by another process meanwhile
                    raise
    return folder


for library in ("pydantic", "rich"):
    if (
        find_spec(library) is None
    ):  # in an environment that was made for Snakemake alone
        sys.exit(
            f"smelt: to plan a study, Snakemake's environment needs {library}: pip install {library}"
        )

PACKAGE = package_of(workflow.current_basedir)

# In conda's environments Snakemake hides PYTHONPATH from jobs, which find the package by it: only that of a user goes.
# Where smelt is a module, that stays: jobs of the user's own rules may need it.
if "conda" in map(str, workflow.deployment_settings.deployment_method):
    workflow.deployment_settings.conda_not_block_search_path_envvars = True
    if workflow.modifier.is_main_snakefile():
        os.environ.pop("PYTHONPATH", None)

os.environ.update(
    PYTHONPATH=os.pathsep.join(
        [str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
)
sys.path.insert(0, str(PACKAGE))

# A container sees of the host little more than the working folder, and would import the package of its image.
for variable in ("APPTAINER_BIND", "SINGULARITY_BIND"):
    bound = re.split(r"(?<!\\),", os.environ.get(variable, ""))
    bound.append(str(PACKAGE).replace(",", r"\,"))
    os.environ[variable] = ",".join(dict.fromkeys(filter(None, bound)))


# Snakemake has loaded the executor of the smelt that is installed, which may be another one.
for name in [name for name in sys.modules if name.split(".")[0] == "smelt"]:
    if not Path(sys.modules[name].__file__).is_relative_to(PACKAGE):
        del sys.modules[name]
