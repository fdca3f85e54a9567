
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.audit (
    seq integer NOT NULL,
    at timestamp with time zone NOT NULL,
    actor character varying(80) NOT NULL,
    act character varying(64) NOT NULL,
    subject character varying(80) NOT NULL,
    outcome character varying(64) NOT NULL
);

CREATE SEQUENCE public.audit_seq_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.audit_seq_seq OWNED BY public.audit.seq;

CREATE TABLE public.events (
    seq integer NOT NULL,
    id character varying(64) NOT NULL,
    room character varying(48) NOT NULL,
    kind character varying(64) NOT NULL,
    at timestamp with time zone NOT NULL,
    stored_at timestamp with time zone NOT NULL,
    fact json NOT NULL
);

CREATE SEQUENCE public.events_seq_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.events_seq_seq OWNED BY public.events.seq;

CREATE TABLE public.lessons (
    id character varying(64) NOT NULL,
    room character varying(48) NOT NULL,
    code_turn integer NOT NULL,
    known_as character varying(64),
    made_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone
);

CREATE TABLE public.links (
    id character varying(64) NOT NULL,
    room character varying(48) NOT NULL,
    made_at timestamp with time zone NOT NULL,
    withdrawn_at timestamp with time zone
);

CREATE TABLE public.room_last (
    room character varying(48) NOT NULL,
    heard_at timestamp with time zone NOT NULL,
    state json,
    health json,
    agent character varying(32)
);

CREATE TABLE public.rooms (
    id character varying(48) NOT NULL,
    territory character varying(48) NOT NULL,
    name character varying(120) NOT NULL,
    added_at timestamp with time zone NOT NULL,
    config_rev integer NOT NULL,
    config_sha256 character varying(64) NOT NULL
);

CREATE TABLE public.sessions (
    token_sha256 character varying(64) NOT NULL,
    "user" character varying(80) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL
);

CREATE TABLE public.users (
    name character varying(80) NOT NULL,
    role character varying(16) NOT NULL,
    password_hash character varying(200) NOT NULL,
    added_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.audit ALTER COLUMN seq SET DEFAULT nextval('public.audit_seq_seq'::regclass);

ALTER TABLE ONLY public.events ALTER COLUMN seq SET DEFAULT nextval('public.events_seq_seq'::regclass);

INSERT INTO public.alembic_version VALUES ('0001');

INSERT INTO public.audit VALUES (1, '2026-11-23 13:02:03.456789+00', 'admin', 'lesson.stop', 'salle-b12', 'ok');
INSERT INTO public.audit VALUES (2, '2026-11-23 14:02:03.456789+00', 'admin', 'lesson.stop', 'salle-b12', 'room-offline');

INSERT INTO public.events VALUES (1, 'e-0', 'salle-b12', 'lesson.started', '2026-11-23 13:02:03.456789+00', '2026-11-23 13:02:03.456789+00', '{"kind": "lesson.started", "lesson": "l-1", "origin": "panel"}');
INSERT INTO public.events VALUES (2, 'e-1', 'salle-b12', 'viewer.joined', '2026-11-23 14:02:03.456789+00', '2026-11-23 14:02:03.456789+00', '{"kind": "viewer.joined", "viewer": "v-1"}');
INSERT INTO public.events VALUES (3, 'e-2', 'salle-b12', 'from.the-future', '2026-11-23 15:02:03.456789+00', '2026-11-23 15:02:03.456789+00', '{"kind": "from.the-future", "mot": "\u00e9t\u00e9"}');

INSERT INTO public.lessons VALUES ('l-1', 'salle-b12', 2, 'x-9', '2026-11-23 13:02:03.456789+00', '2026-11-23 13:02:03.456789+00', '2026-11-23 14:02:03.456789+00');
INSERT INTO public.lessons VALUES ('l-2', 'salle-b12', 0, NULL, '2026-11-23 14:02:03.456789+00', NULL, NULL);

INSERT INTO public.links VALUES ('k-1', 'salle-b12', '2026-11-23 13:02:03.456789+00', NULL);
INSERT INTO public.links VALUES ('k-2', 'amphi-1', '2026-11-23 13:02:03.456789+00', '2026-11-23 14:02:03.456789+00');

INSERT INTO public.room_last VALUES ('salle-b12', '2026-11-23 13:02:03.456789+00', '{"sid": "5f2c", "state": "degraded", "lesson": {"id": "l-1", "started_at": "2026-11-23T13:02:00Z", "origin": "panel"}, "paused": false, "frozen": true, "recording": true, "on_air": {"camera": true, "board": true, "sound": false}, "sign": "live", "viewers": 8, "devices": [{"id": "front", "role": "camera", "name": "Cam\u00e9ra de la salle", "driver": "v4l2", "is_open": true, "status": "critical", "since": "2026-11-23T13:02:00Z", "problem": {"code": "device-lost", "message": "camera \"front\": the capture process was killed by signal 9", "retry_after_s": null}, "in_use": null}], "checks": [{"id": "microphone", "status": "warning", "since": "2026-11-23T13:02:00Z", "value": -90.0, "unit": "dBFS", "message": {"fr": "Le micro est coup\u00e9 sur son interrupteur.", "en": "The microphone is muted on its own switch."}, "remedy": null}], "proposal": {"id": "p-1", "actor": "admin", "expires_at": "2026-11-23T13:02:00Z"}, "config_rev": 3, "problem": null, "at": "2026-11-23T13:02:00Z"}', '{"sid": "5f2c", "seq": 7, "uptime_s": 3600.5, "cpu_percent": 41.5, "memory_mb": 212.0, "viewers": 8, "tracks": {"camera": {"captured_hz": 30.0, "encoded_hz": 30.0, "bitrate_bps": 1480000, "is_stand_in": false}}, "checks": [{"id": "microphone", "status": "warning", "since": "2026-11-23T13:02:00Z", "value": -90.0, "unit": "dBFS", "message": {"fr": "Le micro est coup\u00e9 sur son interrupteur.", "en": "The microphone is muted on its own switch."}, "remedy": null}]}', '0.1.0');
INSERT INTO public.room_last VALUES ('amphi-1', '2026-11-23 13:02:03.456789+00', NULL, NULL, NULL);

INSERT INTO public.rooms VALUES ('salle-b12', '075', 'Salle B12 (l''été)', '2026-11-23 13:02:03.456789+00', 3, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
INSERT INTO public.rooms VALUES ('salle-b13', '075', 'Salle B13', '2026-11-23 13:02:03.456789+00', 0, '');
INSERT INTO public.rooms VALUES ('amphi-1', '013', 'Amphithéâtre « Mistral »', '2026-11-23 13:02:03.456789+00', 1, 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb');

INSERT INTO public.sessions VALUES ('cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 'admin', '2026-11-23 13:02:03.456789+00', '2026-11-23 14:02:03.456789+00');

INSERT INTO public.users VALUES ('admin', 'admin', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA', '2026-11-23 13:02:03.456789+00');
INSERT INTO public.users VALUES ('é. regarde', 'viewer', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdB$aGFzaB', '2026-11-23 14:02:03.456789+00');

SELECT pg_catalog.setval('public.audit_seq_seq', 2, true);

SELECT pg_catalog.setval('public.events_seq_seq', 3, true);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT pk_audit PRIMARY KEY (seq);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT pk_events PRIMARY KEY (seq);

ALTER TABLE ONLY public.lessons
    ADD CONSTRAINT pk_lessons PRIMARY KEY (id);

ALTER TABLE ONLY public.links
    ADD CONSTRAINT pk_links PRIMARY KEY (id);

ALTER TABLE ONLY public.room_last
    ADD CONSTRAINT pk_room_last PRIMARY KEY (room);

ALTER TABLE ONLY public.rooms
    ADD CONSTRAINT pk_rooms PRIMARY KEY (id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT pk_sessions PRIMARY KEY (token_sha256);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (name);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT uq_events_room_id UNIQUE (room, id);

CREATE INDEX ix_audit_at ON public.audit USING btree (at);

CREATE INDEX ix_events_room_at ON public.events USING btree (room, at);

CREATE INDEX ix_lessons_room ON public.lessons USING btree (room);

CREATE INDEX ix_links_room ON public.links USING btree (room);

CREATE INDEX ix_sessions_user ON public.sessions USING btree ("user");

ALTER TABLE ONLY public.lessons
    ADD CONSTRAINT fk_lessons_room_rooms FOREIGN KEY (room) REFERENCES public.rooms(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.links
    ADD CONSTRAINT fk_links_room_rooms FOREIGN KEY (room) REFERENCES public.rooms(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.room_last
    ADD CONSTRAINT fk_room_last_room_rooms FOREIGN KEY (room) REFERENCES public.rooms(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT fk_sessions_user_users FOREIGN KEY ("user") REFERENCES public.users(name) ON DELETE CASCADE;

