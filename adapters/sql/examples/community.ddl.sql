-- The tables of a community mental health system as its vendor made them in the nineties: padded keys, dates that mean
-- "none", a flag in place of DELETE, and UTF-8 in columns declared as latin1.

CREATE TABLE client (
    client_id CHAR(8) NOT NULL PRIMARY KEY,
    nhs_no CHAR(14),
    nhs_status CHAR(2),
    surname VARCHAR(60),
    forename VARCHAR(60),
    dob DATE,
    sex CHAR(1),
    address VARCHAR(120),
    postcode VARCHAR(10),
    mobile VARCHAR(20),
    date_of_death DATE,
    del_flag CHAR(1)
);
CREATE INDEX client_nhs_no ON client (nhs_no);
CREATE INDEX client_dob ON client (dob);

CREATE TABLE diagnosis (
    diag_id INTEGER NOT NULL PRIMARY KEY,
    client_id CHAR(8) NOT NULL,
    icd10 CHAR(6),
    description VARCHAR(200),
    certainty CHAR(1),
    diagnosed DATE,
    resolved DATE,
    recorded_at TIMESTAMP,
    recorded_by VARCHAR(60),
    del_flag CHAR(1)
);
CREATE INDEX diagnosis_client ON diagnosis (client_id);

CREATE TABLE medication (
    med_id INTEGER NOT NULL PRIMARY KEY,
    client_id CHAR(8) NOT NULL,
    drug VARCHAR(120),
    strength DECIMAL(8, 2),
    strength_unit VARCHAR(10),
    directions VARCHAR(200),
    started DATE,
    stopped DATE,
    state CHAR(2),
    as_needed SMALLINT,
    deleted_at TIMESTAMP
);
CREATE INDEX medication_client ON medication (client_id);

CREATE TABLE score (
    score_id INTEGER NOT NULL PRIMARY KEY,
    client_id CHAR(8) NOT NULL,
    tool CHAR(8),
    total DECIMAL(6, 2),
    scored_at TIMESTAMP,
    scorer VARCHAR(60)
);
CREATE INDEX score_client ON score (client_id);

CREATE TABLE contact (
    contact_id INTEGER NOT NULL PRIMARY KEY,
    client_id CHAR(8) NOT NULL,
    started_at TIMESTAMP,
    outcome CHAR(4),
    team VARCHAR(60),
    worker VARCHAR(60),
    note VARCHAR(400)
);
CREATE INDEX contact_client ON contact (client_id)
