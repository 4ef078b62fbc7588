"""What a reuse takes and how a job is shown."""

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from marketplace.catalog.models import Learnware
from marketplace.jobs.models import ReuseJob, Trial
from specs import strict_json

MAX_TYPED = 1 << 20  # bytes of JSON that a form takes as text


class JsonField(serializers.JSONField):
    """JSON in a JSON request; in a multipart form the same, as text."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str | bytes):
            try:
                return strict_json.loads(data.encode() if isinstance(data, str) else data, most=MAX_TYPED, what="This")
            except ValueError as error:
                raise serializers.ValidationError(str(error)) from error
        return super().to_internal_value(data)


class JobRequest(serializers.Serializer):
    match = serializers.UUIDField(required=False, help_text="Take the mixture of this match and its nearest singles.")
    members = JsonField(required=False, help_text='Or name them: [{"reference": "owner/name@1.0.0", "weight": 0.5}].')
    method = serializers.CharField(max_length=64, default="auto")
    params = JsonField(required=False)
    target = serializers.CharField(max_length=120, required=False, allow_blank=True, help_text="Column of labels in data.")
    data = serializers.FileField(required=False, allow_empty_file=True, help_text="CSV of labelled rows.")
    rows = serializers.FileField(required=False, allow_empty_file=True, help_text="CSV of rows without labels: to distil on, to estimate normalisation statistics, to measure disagreement.")
    requirement = JsonField(required=False, help_text="A specification, where members are named and no match is given.")


class OfferRequest(serializers.Serializer):
    name = serializers.CharField(max_length=80)
    version = serializers.CharField(max_length=40, default="1.0.0")
    title = serializers.CharField(max_length=160, required=False, allow_blank=True)
    licence = serializers.CharField(max_length=40, required=False, allow_blank=True)
    card = serializers.CharField(max_length=64 * 1024, required=False, allow_blank=True, trim_whitespace=False)
    owner = serializers.CharField(max_length=150, required=False, allow_blank=True, help_text="An organisation that you write for; yourself when left out.")
    visibility = serializers.ChoiceField(choices=Learnware.Visibility.choices, required=False, help_text="Of a new learnware; public when left out.")


class TrialRequest(serializers.Serializer):
    """{"rows": {"area": [80, 120], "town": ["Kiel", "Bonn"]}}: the columns of the learnware's space, each with one value a row."""

    rows = serializers.DictField(child=serializers.ListField(), help_text="Columns with 1 to 100 values each; null where one is not known.")


class PredictRequest(serializers.Serializer):
    file = serializers.FileField(required=False, allow_empty_file=True, help_text="CSV with the columns of the space; at most 16 MB and 50,000 rows.")
    rows = JsonField(required=False, help_text='Or a few rows: {"column": [value, …]}.')


class TrialAnswer(serializers.Serializer):
    """The first answers: 20 of a file, all of rows that came without one."""

    target = serializers.CharField()
    kind = serializers.ChoiceField(choices=["classes", "value"])
    unit = serializers.CharField()
    classes = serializers.ListField(child=serializers.CharField())
    rows = serializers.DictField(help_text="The columns as the model read them.")
    values = serializers.ListField(child=serializers.FloatField(), required=False)
    labels = serializers.ListField(child=serializers.CharField(), required=False)
    probabilities = serializers.ListField(required=False, allow_null=True, help_text="In the order of classes; null where there are more than 50.")
    likeliest = serializers.ListField(required=False, help_text="The five likeliest classes of each row, with their probabilities.")


class MethodRow(serializers.Serializer):
    method = serializers.CharField(source="address")
    kind = serializers.CharField()
    name = serializers.CharField()
    title = serializers.CharField()
    doc = serializers.CharField()
    params = serializers.DictField()
    needs_labels = serializers.BooleanField()
    needs_family = serializers.BooleanField()


class JobMemberRow(serializers.Serializer):
    reference = serializers.CharField()
    title = serializers.CharField()
    weight = serializers.FloatField()
    url = serializers.CharField()


class JobError(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField()


class JobFile(serializers.Serializer):
    url = serializers.CharField()
    sha256 = serializers.CharField()
    size = serializers.IntegerField()


class JobAttempt(serializers.Serializer):
    attempt = serializers.IntegerField()
    started = serializers.DateTimeField()
    ended = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()
    from_epoch = serializers.IntegerField(required=False, help_text="Where training went on from the checkpoint of the attempt before.")


class JobRow(serializers.Serializer):
    """A job as its owner sees it."""

    id = serializers.UUIDField()
    url = serializers.CharField(source="get_absolute_url")
    status = serializers.ChoiceField(choices=ReuseJob.Status.choices)
    stage = serializers.CharField()
    progress = serializers.FloatField()
    message = serializers.CharField()
    eta_s = serializers.FloatField(allow_null=True, help_text="Seconds left, at the pace so far; null while nobody knows.")
    method = serializers.CharField()
    params = serializers.DictField()
    target = serializers.CharField()
    space = serializers.CharField(source="space_id")
    match = serializers.UUIDField(source="match_id", allow_null=True)
    attempts = serializers.IntegerField()
    attempt_log = JobAttempt(many=True)
    cancel_asked = serializers.BooleanField()
    created = serializers.DateTimeField()
    started = serializers.DateTimeField(allow_null=True)
    ended = serializers.DateTimeField(allow_null=True)
    members = serializers.SerializerMethodField()
    lanes = serializers.ListField(help_text="How far each member is, in the order of members: state, rows, of, fetching_s, loading_s, answering_s.")
    offered = serializers.SerializerMethodField(help_text="The learnwares that the result was offered as.")
    learning = serializers.ListField(help_text="Points of the loss curve so far: method, epoch, train, validation.")
    error = JobError(allow_null=True)
    evidence = serializers.DictField()
    lineage = serializers.DictField()
    result = serializers.SerializerMethodField()

    def get_members(self, job: ReuseJob) -> JobMemberRow(many=True):
        return [
            {"reference": m.version.reference, "title": m.version.title, "weight": m.weight, "url": m.version.get_absolute_url()}
            for m in job.members.all()
        ]

    def get_offered(self, job: ReuseJob) -> list[str]:
        return [version.reference for version in job.offered.all()]

    def get_result(self, job: ReuseJob) -> JobFile(allow_null=True):
        if job.result_id is None:
            return None
        return {"url": reverse("api:job-result", args=[job.pk]), "sha256": job.result_id, "size": job.result.size}


class TrialRow(serializers.Serializer):
    """A trial as whoever asked for it sees it."""

    id = serializers.UUIDField()
    url = serializers.CharField(source="get_absolute_url")
    of = serializers.SerializerMethodField(help_text="The learnware's reference, or the job's id.")
    state = serializers.ChoiceField(choices=Trial.State.choices)
    count = serializers.IntegerField(help_text="Rows that came.")
    attempts = serializers.IntegerField()
    seconds = serializers.FloatField(allow_null=True)
    answer = TrialAnswer(allow_null=True)
    file = serializers.SerializerMethodField(help_text="All answers as CSV, where a file came.")
    error = JobError(allow_null=True)
    created = serializers.DateTimeField()
    expires = serializers.DateTimeField(help_text="When it is deleted.")

    def get_of(self, trial: Trial) -> str:
        return trial.version.reference if trial.version_id else str(trial.job_id)

    def get_file(self, trial: Trial) -> JobFile(allow_null=True):
        if trial.output_id is None:
            return None
        return {"url": reverse("api:trial-file", args=[trial.pk]), "sha256": trial.output_id, "size": trial.output.size}


class ProposedMember(serializers.Serializer):
    reference = serializers.CharField()
    weight = serializers.FloatField()


class Proposal(serializers.Serializer):
    members = ProposedMember(many=True)
    base = serializers.CharField(allow_null=True, help_text="What the members were fine-tuned from, where the market has it.")
    output = serializers.DictField()


class JobProof(serializers.Serializer):
    job = serializers.UUIDField()
    evidence = serializers.DictField()
    lineage = serializers.DictField()


class JobListRow(JobRow):
    """A job in a list: without what only its own page shows."""

    evidence = lineage = attempt_log = params = learning = lanes = offered = None


class JobPage(serializers.Serializer):
    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = JobListRow(many=True)
