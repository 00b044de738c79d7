"""Compact students: a BiLSTM, or a small Transformer, over few rows of embeddings (XtremeDistil; Mukherjee 2020).

This file needs nothing but torch and transformers. save_pretrained copies it into a model's folder, which then loads
anywhere with `AutoModelForTokenClassification.from_pretrained(folder, trust_remote_code=True)`.

From bottom to top a student has the parts `compact.embeddings`, `compact.encoder`, `projection` and `classifier`. The
projection, a linear map and GELU, takes the student's states to the width of its teacher's (section 3 of the paper).
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput, TokenClassifierOutput

KINDS = ("bilstm", "transformer")
POSITIONS = 2048  # of a transformer: with these Table 15's parameters come out


class CompactConfig(PreTrainedConfig):  # type: ignore[misc] # transformers has no types
    """The numbers of a compact student.

    Raises:
        ValueError: a number that no such model has, in one line.
    """

    model_type = "compact"

    kind: str = "bilstm"
    """bilstm or transformer."""
    vocab_size: int = 30_522
    """Ids of the tokenizer."""
    rows: int | None = None
    """Rows of the embedding: pieces with one of their own, special ones included; by default all."""
    embedding_size: int = 50
    hidden_size: int | None = None
    """Of a BiLSTM in one direction, by default 200; of a transformer the embedding's size."""
    num_hidden_layers: int = 1
    num_attention_heads: int = 12
    """Of a transformer."""
    intermediate_size: int | None = None
    """Of a transformer; by default four times its width."""
    max_position_embeddings: int | None = None
    """Of a transformer, by default 2,048; a BiLSTM reads texts of any length."""
    projection_size: int | None = None
    """Width of the teacher; None: the classifier stands on the states themselves."""
    dropout: float = 0.2
    """After the embeddings and after the encoder."""
    pad_token_id: int | None = 0

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in what follows from other numbers, and check them."""
        super().__post_init__(**kwargs)
        self.rows = self.vocab_size if self.rows is None else self.rows
        transformer = self.kind == "transformer"
        if self.hidden_size is None:
            self.hidden_size = self.embedding_size if transformer else 200
        if transformer:
            self.intermediate_size = self.intermediate_size or 4 * self.embedding_size
            self.max_position_embeddings = self.max_position_embeddings or POSITIONS
        self._check()

    @property
    def state_size(self) -> int:
        """Width of the encoder's states: 2 hidden_size of a BiLSTM, embedding_size of a transformer."""
        assert self.hidden_size is not None
        return self.hidden_size if self.kind == "transformer" else 2 * self.hidden_size

    def _check(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: found {self.kind!r}, expected {' or '.join(KINDS)}")
        sizes = ("vocab_size", "rows", "embedding_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
        optional = ("intermediate_size", "max_position_embeddings", "projection_size")
        for name in (*sizes, *(name for name in optional if getattr(self, name) is not None)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}: found {value!r}, expected a whole number from 1")
        if self.rows > self.vocab_size:  # type: ignore[operator]
            raise ValueError(f"rows: found {self.rows}, expected no more than vocab_size, {self.vocab_size}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: found {self.dropout}, expected from 0 to below 1")
        if self.kind != "transformer":
            return
        if self.hidden_size != self.embedding_size:
            raise ValueError(
                f"hidden_size: found {self.hidden_size}, expected a transformer's embedding_size, {self.embedding_size}"
            )
        if self.embedding_size % self.num_attention_heads:
            raise ValueError(
                f"embedding_size: found {self.embedding_size}, expected a multiple of "
                f"num_attention_heads, {self.num_attention_heads}"
            )


class CompactEmbeddings(nn.Module):
    """Ids to vectors: each id's row of a table, and for a transformer its position's, normalised."""

    row_of_piece: Tensor
    """The row of each id, int32, shape (vocab_size,); pieces without a row of their own share the unknown piece's."""

    def __init__(self, config: CompactConfig) -> None:
        """Make them; until `CompactModel.keep_pieces` says more, ids from the number of rows on share the last row."""
        super().__init__()
        assert config.rows is not None
        self.register_buffer("row_of_piece", default_rows(config.vocab_size, config.rows))
        self.pieces = nn.Embedding(config.rows, config.embedding_size)
        self.positions, self.norm = None, None
        if config.kind == "transformer":
            assert config.max_position_embeddings is not None
            self.positions = nn.Embedding(config.max_position_embeddings, config.embedding_size)
            self.norm = nn.LayerNorm(config.embedding_size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return vectors, (batch, length, embedding_size), of ids, (batch, length)."""
        vectors = self.pieces(self.row_of_piece[input_ids])
        if self.positions is not None and self.norm is not None:
            length, longest = input_ids.shape[1], self.positions.num_embeddings
            if length > longest:
                raise ValueError(f"a row of {length} tokens: this model reads {longest} at once")
            vectors = self.norm(vectors + self.positions.weight[:length])
        dropped: Tensor = self.dropout(vectors)
        return dropped


class BiLstm(nn.Module):
    """Layers of two LSTMs each, one of which reads every row from its last real token to its first.

    Rows are reversed within their own length, so that padding comes after all real tokens in both directions and
    cannot touch their states; libraries' fastest kernels run on this, which on packed sequences they do not.
    """

    def __init__(self, config: CompactConfig) -> None:
        """Make the layers."""
        super().__init__()
        widths = [config.embedding_size] + [config.state_size] * (config.num_hidden_layers - 1)
        self.onward = nn.ModuleList(nn.LSTM(width, config.hidden_size, batch_first=True) for width in widths)
        self.back = nn.ModuleList(nn.LSTM(width, config.hidden_size, batch_first=True) for width in widths)

    def forward(self, vectors: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return states, (batch, length, 2 hidden_size): those of the onward direction first."""
        order = None if attention_mask is None else reversed_order(lengths_of(attention_mask), vectors.shape[1])
        for onward, back in zip(self.onward, self.back, strict=True):
            backward = reverse(back(reverse(vectors, order))[0], order)
            vectors = torch.cat((onward(vectors)[0], backward), -1)
        return vectors


class Block(nn.Module):
    """A layer of a transformer, normalised after each of its halves, as BERT's are (Vaswani et al. 2017)."""

    def __init__(self, config: CompactConfig) -> None:
        """Make the layer."""
        super().__init__()
        width = config.embedding_size
        assert config.intermediate_size is not None
        self.heads = config.num_attention_heads
        self.attention = nn.Linear(width, 3 * width)  # queries, keys and values of all heads
        self.output = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Return states, (batch, length, width); `mask`, (batch, 1, 1, length), is true where a token is real."""
        batch, length, width = states.shape
        parts = self.attention(states).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (batch, heads, length, width / heads) each
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        states = self.attention_norm(states + self.output(mixed.transpose(1, 2).reshape(batch, length, width)))
        result: Tensor = self.norm(states + self.down(F.gelu(self.up(states))))
        return result


class Transformer(nn.Module):
    """Layers of attention."""

    def __init__(self, config: CompactConfig) -> None:
        """Make the layers."""
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))

    def forward(self, states: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return states, (batch, length, width)."""
        mask = None if attention_mask is None else attention_mask[:, None, None, :].bool()
        for layer in self.layers:
            states = layer(states, mask)
        return states


class CompactPreTrainedModel(PreTrainedModel):  # type: ignore[misc] # as above
    """The base of the classes below: it draws the first weights as Keras does, in which the paper's code is written."""

    config_class = CompactConfig
    base_model_prefix = "compact"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.uniform_(module.weight, -0.1, 0.1)
        elif isinstance(module, nn.LSTM):
            init.xavier_uniform_(module.weight_ih_l0)
            init.orthogonal_(module.weight_hh_l0)
            init.zeros_(module.bias_hh_l0)
            forget = torch.zeros(4 * module.hidden_size)
            forget[module.hidden_size : 2 * module.hidden_size] = 1.0  # gates: input, forget, cell, output
            init.copy_(module.bias_ih_l0, forget)
        elif isinstance(module, CompactEmbeddings):
            init.copy_(module.row_of_piece, default_rows(len(module.row_of_piece), module.pieces.num_embeddings))
        else:
            super()._init_weights(module)


class CompactModel(CompactPreTrainedModel):
    """Embeddings and encoder."""

    def __init__(self, config: CompactConfig) -> None:
        """Make a model with the weights of a start."""
        super().__init__(config)
        self.embeddings = CompactEmbeddings(config)
        self.encoder: nn.Module = Transformer(config) if config.kind == "transformer" else BiLstm(config)
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,  # noqa: ARG002 - tokenizers give them; no student reads them
    ) -> BaseModelOutput:
        """Return states, (batch, length, state_size), of ids and mask, (batch, length), rows padded on their right.

        Raises:
            ValueError: a row that begins with padding, or one that is longer than a transformer reads.
        """
        if attention_mask is not None:
            refuse_holes(attention_mask)
        states = self.encoder(self.embeddings(input_ids), attention_mask)
        return BaseModelOutput(last_hidden_state=self.dropout(states))

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the table of pieces, with `rows` rows."""
        return self.embeddings.pieces

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Put another table in its place."""
        self.embeddings.pieces = value

    def keep_pieces(self, kept: Sequence[int], unknown: int) -> None:
        """Give each id of `kept` the row of its place there; all other ids share that of `unknown`.

        Raises:
            ValueError: not as many ids as rows, ids twice or out of range, or no `unknown` among them.
        """
        rows, size = self.embeddings.pieces.num_embeddings, self.config.vocab_size
        ids = [int(piece) for piece in kept]
        if len(set(ids)) != len(ids) or len(ids) != rows:
            raise ValueError(f"kept pieces: found {len(set(ids))} different ids of {len(ids)}, expected {rows}")
        if not 0 <= min(ids) <= max(ids) < size:
            raise ValueError(f"kept pieces: found ids from {min(ids)} to {max(ids)}, expected 0 to {size - 1}")
        if unknown not in ids:
            raise ValueError(f"kept pieces: the unknown piece's id, {unknown}, is not among them")
        row_of_piece = torch.full((size,), ids.index(unknown), dtype=torch.int32)
        row_of_piece[torch.tensor(ids)] = torch.arange(rows, dtype=torch.int32)
        self.embeddings.row_of_piece.copy_(row_of_piece)


class _Headed(CompactPreTrainedModel):
    """Projection and classifier on a compact model."""

    def __init__(self, config: CompactConfig) -> None:
        """Make a model with the weights of a start."""
        super().__init__(config)
        self.num_labels = config.num_labels
        self.compact = CompactModel(config)
        width = config.projection_size or config.state_size
        self.projection = nn.Linear(config.state_size, width) if config.projection_size else nn.Identity()
        self.classifier = nn.Linear(width, config.num_labels)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the table of pieces, with `rows` rows."""
        return self.compact.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Put another table in its place."""
        self.compact.set_input_embeddings(value)

    def _project(self, states: Tensor) -> Tensor:
        return F.gelu(self.projection(states)) if self.config.projection_size else states


class CompactForTokenClassification(_Headed):
    """A label for every token."""

    def features(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return what the classifier stands on, (batch, length, projection_size): projected states after GELU."""
        return self._project(self.compact(input_ids, attention_mask).last_hidden_state)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,  # noqa: ARG002 - as above
        labels: Tensor | None = None,
    ) -> TokenClassifierOutput:
        """Return logits, (batch, length, labels), and with labels, (batch, length), their cross-entropy."""
        logits = self.classifier(self.features(input_ids, attention_mask))
        loss = None if labels is None else F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return TokenClassifierOutput(loss=loss, logits=logits)


class CompactForSequenceClassification(_Headed):
    """A label for every row."""

    def features(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return what the classifier stands on, (batch, projection_size): a row's projected state after GELU.

        A BiLSTM's state of a row is where each direction has read all of it, at its last token and at its first one; a
        transformer's is that of the first token.
        """
        states = self.compact(input_ids, attention_mask).last_hidden_state
        if self.config.kind == "transformer":
            return self._project(states[:, 0])
        half = self.config.hidden_size
        if attention_mask is None:
            last = states[:, -1, :half]
        else:
            ends = (lengths_of(attention_mask) - 1)[:, None, None].expand(-1, 1, half)
            last = states[..., :half].gather(1, ends).squeeze(1)
        return self._project(torch.cat((last, states[:, 0, half:]), -1))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,  # noqa: ARG002 - as above
        labels: Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Return logits, (batch, labels), and with labels, (batch,), their cross-entropy."""
        logits = self.classifier(self.features(input_ids, attention_mask))
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def default_rows(pieces: int, rows: int) -> Tensor:
    """Return the row of each of `pieces` ids, int32; ids from `rows` on share the last row."""
    return torch.arange(pieces, dtype=torch.int32).clamp_(max=rows - 1)


def lengths_of(attention_mask: Tensor) -> Tensor:
    """Return how many real tokens each row has, (batch,)."""
    return attention_mask.sum(1).long()


def reversed_order(lengths: Tensor, length: int) -> Tensor:
    """Return, (batch, length), the token at each place of the reversed rows; padding stays where it is."""
    places = torch.arange(length, device=lengths.device).expand(len(lengths), -1)
    ends = lengths[:, None]
    return torch.where(places < ends, ends - 1 - places, places)


def reverse(vectors: Tensor, order: Tensor | None) -> Tensor:
    """Return vectors, (batch, length, width), in the order that `reversed_order` gives; None: rows without padding."""
    return vectors.flip(1) if order is None else vectors.gather(1, order[..., None].expand_as(vectors))


def refuse_holes(attention_mask: Tensor) -> None:
    """Refuse a mask with padding before a real token, which a BiLSTM would read the wrong way round.

    On a GPU the kernel that looks fails by itself, later: to wait for its answer would stop the queue of each batch.

    Raises:
        ValueError: it has.
    """
    if torch.compiler.is_compiling() or attention_mask.is_meta:
        return
    message = "attention_mask: padding stands before a token; pad rows on their right"
    whole = (attention_mask[:, 1:] <= attention_mask[:, :-1]).all() & attention_mask[:, :1].all()
    if attention_mask.is_cuda:
        torch._assert_async(whole, message)
    elif not bool(whole):
        raise ValueError(message)
