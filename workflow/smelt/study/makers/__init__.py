"""The makers of models, each in the file of its name.

A maker joins by its name in the union below, which is the type of every entry of `models`.
"""

from typing import Annotated, get_args

from pydantic import Field

from smelt.study.makers.adopt import Adopt
from smelt.study.makers.amplify import Amplify
from smelt.study.makers.base import Maker
from smelt.study.makers.compress import Compress
from smelt.study.makers.distil import Distil
from smelt.study.makers.export import Export
from smelt.study.makers.pretrain import Pretrain
from smelt.study.makers.reduce import Reduce

Model = Annotated[Pretrain | Distil | Adopt | Reduce | Amplify | Export | Compress, Field(discriminator="maker")]

MAKERS: dict[str, type[Maker]] = {maker.maker_name(): maker for maker in get_args(get_args(Model)[0])}
"""The makers by their names in study files, on the command line and among the rules."""
