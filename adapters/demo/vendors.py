"""Three REST vendors of the estate: the diabetes clinic, community nursing, out of hours and ambulance.

Each has habits of its own, as vendors have; the raw rows of `estate/` are served unchanged. Served by
`adapters.rest.simulate.vendor_app`; read by the mapping files beside this module.

              asked with          pages                       a row                    finds people by
    diabetes  user and password   Link header                 flat, numbers as ids     NHS number
    nursing   OAuth 2.0 client    address in the answer       {type, id, attributes}   NHS number
    ooh       key in a header     numbered from 0, no total   upper-case keys          NHS number; names and birth date
"""

from collections.abc import Mapping

from adapters.rest.simulate import ApiKey, ClientCredentials, Collection, User, VendorApi, rows_of

_DIABETES = ("allergies", "appointments", "problems", "referrals", "regimens", "results", "teams", "visits")
_NURSING = ("measurements", "plans", "teams", "visits")
_OOH = ("allergies", "contacts", "medicines", "messages", "observations")


def diabetes_api(files: Mapping[str, str], user: str, password: str) -> VendorApi:
    """The diabetes clinic's system. `files` maps "people", "allergies" and the other files' names to JSON texts."""
    return VendorApi(
        people=rows_of(files["people"]),
        people_route="/clinic/people",
        number="nhs.number",
        number_param="nhsNumber",
        local_id="clinicNo",
        collections=tuple(
            Collection(f"/clinic/people/{{id}}/{name}", rows_of(files[name]), "clinicNo", paging="link")
            for name in _DIABETES
        ),
        auth=User(user, password),
        status_route="/clinic/ping",
        items_key="rows",
        max_page=2,
    )


def nursing_api(files: Mapping[str, str], client_id: str, client_secret: str) -> VendorApi:
    """Community nursing's system. `files` maps "patients", "visits" and the other files' names to JSON texts."""
    return VendorApi(
        people=rows_of(files["patients"]),
        people_route="/api/v2/patients",
        number="attributes.nhs_number",
        number_param="filter[nhs_number]",
        local_id="id",
        collections=tuple(
            Collection(
                f"/api/v2/patients/{{id}}/{name}", rows_of(files[name]), "attributes.patient_id", paging="body_link"
            )
            for name in _NURSING
        ),
        auth=ClientCredentials("/oauth2/token", client_id, client_secret),
        status_route="/api/v2/health",
        items_key="data",
        person_key="data",
        page_param="page[number]",
        size_param="page[size]",
        max_page=3,
    )


def ooh_api(files: Mapping[str, str], api_key: str) -> VendorApi:
    """The out-of-hours and ambulance vendor. `files` maps "people", "contacts" and the other names to JSON texts."""
    return VendorApi(
        people=rows_of(files["people"]),
        people_route="/PEOPLE",
        number="NHS",
        number_param="NHS",
        local_id="PERSON_REF",
        demographics={"SURNAME": "SURNAME", "FORENAME": "FORENAME", "DOB": "DOB"},
        collections=tuple(
            Collection(f"/{name.upper()}", rows_of(files[name]), "PERSON_REF", by="PERSON", paging="page")
            for name in _OOH
        ),
        auth=ApiKey("X-Service-Key", api_key),
        status_route="/STATUS",
        items_key="ROWS",
        page_param="PAGE",
        size_param="SIZE",
        first_page=0,
        says_total=False,
        max_page=2,
    )
