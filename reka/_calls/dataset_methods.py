"""The methods of `Reka` for datasets and retrieval; the client that has them sends their calls."""

from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from typing import TypeVar

from reka._calls import endpoints, flows
from reka._calls.call import Call
from reka._calls.documents.methods import DocumentMethods
from reka._inputs import uploads, validation
from reka._inputs.texts import embedding_batches
from reka.types import DatasetResult, OnProgress, OnUpdate, PrepareRetrievalStatusResponse

T = TypeVar("T")


class DatasetMethods(DocumentMethods):
    """Upload, list, delete and prepare datasets; documents in them, and searches, are the base's."""

    def add_dataset(
        self,
        filepath: str | PathLike[str],
        name: str,
        description: str | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> DatasetResult:
        """Upload a dataset. The file is read while it is sent, and never held in memory.

        Args:
            filepath: Path of a UTF-8 text file, or of a zip that holds such files, in any folders, and nothing else.
            name: Name of the dataset. The server changes a name that cannot be stored safely, such as
                `../../etc/shadow`; the result has the stored name.
            description: A note that is stored with it; None stores none.
            on_progress: Called with the bytes sent so far and the total.

        Returns:
            `{"name": ..., "ok": ..., "info": ...}` with the stored name.

        Raises:
            InvalidArgumentError: The file does not exist, is a folder or is empty, or the name is invalid; nothing was
                sent.
            DatasetError: The server refused the dataset, and stored nothing.
            RekaError: Any other failure; see `reka.errors`.

        Source: documented; `on_progress` is an extension.
        """
        return self._send_for_dataset(
            endpoints.add_dataset(uploads.file_source(filepath), name, description, on_progress)
        )

    def add_folder(
        self,
        folder: str | PathLike[str],
        name: str,
        description: str | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> DatasetResult:
        """Upload the text files below a folder as one dataset; they are zipped while they are sent.

        Args:
            folder: Path of the folder. Hidden files and folders, what systems leave behind (`Thumbs.db`) and links
                out of the folder are left out; `info` names them.
            name: As in `add_dataset`.
            description: As in `add_dataset`.
            on_progress: Called with the compressed bytes sent so far, and None: the total is not known in advance.

        Returns:
            As `add_dataset`.

        Raises:
            InvalidArgumentError: The folder does not exist, has no files in it, or has files that are not text (all
                are named); nothing was sent.
            DatasetError: The server refused the dataset, and stored nothing.
            RekaError: Any other failure; see `reka.errors`.
        """
        return self._send_for_dataset(
            endpoints.add_dataset(uploads.folder_source(folder), name, description, on_progress)
        )

    def list_datasets(self) -> list[str]:
        """List the names of this key's datasets.

        Source: documented.
        """
        return self._run_for_dataset(flows.list_datasets)

    def delete_dataset(self, name: str) -> DatasetResult:
        """Delete a dataset; a job that prepares it is stopped first.

        Args:
            name: Stored name of the dataset.

        Returns:
            `{"name": ..., "ok": ..., "info": ...}`.

        Raises:
            InvalidArgumentError: The name is invalid; nothing was sent.
            DatasetError: The dataset does not exist.
            RekaError: Any other failure; see `reka.errors`.

        Source: documented.
        """
        return self._send_for_dataset(endpoints.delete_dataset(name))

    def prepare_retrieval(self, dataset_name: str) -> str:
        """Start a job that prepares a dataset for retrieval; it runs on the server after this returns.

        Args:
            dataset_name: Stored name of the dataset.

        Returns:
            Id of the job, for `retrieval_job_status` and `wait_for_retrieval`.

        Raises:
            InvalidArgumentError: The name is invalid; nothing was sent.
            RetrievalError: The dataset does not exist, or is prepared or being prepared already.
            RekaError: Any other failure; see `reka.errors`.

        Source: documented.
        """
        return self._send_for_dataset(endpoints.prepare_retrieval(dataset_name))

    def retrieval_job_status(self, job_id: str) -> PrepareRetrievalStatusResponse:
        """Get the status of a prepare-retrieval job.

        Args:
            job_id: Id that `prepare_retrieval` returned.

        Raises:
            RetrievalError: The job does not exist.
            RekaError: Any other failure; see `reka.errors`.

        Source: documented.
        """
        return self._send_for_dataset(endpoints.retrieval_job_status(job_id))

    def wait_for_retrieval(
        self, job_id: str, *, timeout: float | None = None, on_update: OnUpdate | None = None
    ) -> PrepareRetrievalStatusResponse:
        """Wait until a prepare-retrieval job has ended.

        Gets its status at growing intervals. The job runs on the server: an exception here does not stop it.

        Args:
            job_id: Id that `prepare_retrieval` returned.
            timeout: Longest wait in seconds; None waits as long as the job takes.
            on_update: Called in this thread with each status that differs from the one before.

        Returns:
            The last status; its `is_complete()` is true.

        Raises:
            RetrievalError: The job failed (the message has its detail), or does not exist.
            WaitTimeoutError: `timeout` passed; the error's `last_status` is the last status received.
            RekaError: Any other failure; see `reka.errors`.
        """
        return self._run_for_dataset(lambda _: flows.wait_for_retrieval(job_id, timeout, on_update))

    def ensure_dataset(
        self,
        name: str,
        *,
        files: str | PathLike[str] | Sequence[str | PathLike[str]] | None = None,
        texts: Mapping[str, str] | Sequence[str] | None = None,
        on_update: OnUpdate | None = None,
    ) -> str:
        """Make sure that a dataset with exactly these texts is stored and prepared; uploads and waits only if needed.

        The stored name ends in a hash of name and contents: equal texts are uploaded once, and other texts become
        another dataset. Datasets of earlier texts stay until they are deleted.

        Args:
            name: Name of the dataset, before the hash.
            files: A folder, a file, or a list of text files. Give either this or `texts`.
            texts: Texts by name, or a list of texts; the model sees the names beside the retrieved chunks.
            on_update: Called with each status of the job, if one is needed.

        Returns:
            The stored name, to be used as a `retrieval_dataset`.

        Raises:
            InvalidArgumentError: `files` and `texts` are both given or both missing, or one of them cannot be sent.
            DatasetError: The server refused the texts.
            RetrievalError: The dataset cannot be prepared.
            RekaError: Any other failure; see `reka.errors`.
        """
        source = uploads.dataset_source(files, texts)
        digest = source.digest(validation.non_empty_string(name, "name"))
        return self._run_for_dataset(partial(flows.ensure_dataset, name, source, digest, on_update))

    def embed(self, texts: Sequence[str], *, model: str | None = None) -> list[list[float]]:
        """Embed texts by what embeds datasets on the server where they live.

        Args:
            texts: The texts, none of which is blank; they are sent in several requests if they are many.
            model: Name of the embedder, of a server that has several; None for the server's own.

        Returns:
            A vector for each text; those of our server have unit length, so that their dot product is a similarity.

        Raises:
            InvalidArgumentError: A text is blank, or no text.
            NotFoundError: The server embeds no texts, or not by this model.
            RekaError: Any other failure; see `reka.errors`.

        Source: OpenAI's `POST /v1/embeddings`, an extension.
        """
        batches = embedding_batches(texts)
        return self._run_for_dataset(lambda _: flows.embed(batches, model))

    def _send_for_dataset(self, call: Call[T]) -> T:
        return self._run_for_dataset(lambda _: flows.single(call))
