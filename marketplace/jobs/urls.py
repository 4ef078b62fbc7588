"""Addresses of reuse: pages and API."""

from django.urls import path

from marketplace.jobs import api, trials, views

api_urls = [
    path("methods", api.MethodList.as_view(), name="methods"),
    path("matches/<uuid:match_id>/members", api.MatchMembers.as_view(), name="match-members"),
    path("jobs", api.JobList.as_view(), name="jobs"),
    path("jobs/<uuid:job_id>", api.JobDetail.as_view(), name="job"),
    path("jobs/<uuid:job_id>/cancel", api.JobCancel.as_view(), name="job-cancel"),
    path("jobs/<uuid:job_id>/result", api.JobResult.as_view(), name="job-result"),
    path("jobs/<uuid:job_id>/evidence", api.JobEvidence.as_view(), name="job-evidence"),
    path("jobs/<uuid:job_id>/card", api.JobCard.as_view(), name="job-card"),
    path("jobs/<uuid:job_id>/offer", api.JobOffer.as_view(), name="job-offer"),
    path("jobs/<uuid:job_id>/predict", api.JobPredict.as_view(), name="predict-job"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/try", api.VersionTry.as_view(), name="try-version"),
    path("trials/<uuid:trial_id>", api.TrialDetail.as_view(), name="trial"),
    path("trials/<uuid:trial_id>/file", api.TrialFile.as_view(), name="trial-file"),
]

page_urls = [
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/<uuid:job_id>/", views.job, name="job"),
    path("jobs/<uuid:job_id>/status/", views.job_status, name="job-status"),
    path("jobs/<uuid:job_id>/cancel/", views.cancel, name="job-cancel"),
    path("jobs/<uuid:job_id>/offer/", views.offer, name="job-offer"),
    path("jobs/<uuid:job_id>/again/", views.again, name="job-again"),
    path("jobs/<uuid:job_id>/predict/", trials.predict_job, name="predict-job"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/try/", trials.try_version, name="try-version"),
    path("trials/<uuid:trial_id>/", trials.trial, name="trial"),
    path("trials/<uuid:trial_id>/file/", trials.trial_file, name="trial-file"),
]
