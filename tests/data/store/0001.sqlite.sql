BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE audit (
	seq INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	actor VARCHAR(80) NOT NULL, 
	act VARCHAR(64) NOT NULL, 
	subject VARCHAR(80) NOT NULL, 
	outcome VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (seq)
);
INSERT INTO "audit" VALUES(1,'2026-11-23 13:02:03.456789','admin','lesson.stop','salle-b12','ok');
INSERT INTO "audit" VALUES(2,'2026-11-23 14:02:03.456789','admin','lesson.stop','salle-b12','room-offline');
CREATE TABLE events (
	seq INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	room VARCHAR(48) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	at DATETIME NOT NULL, 
	stored_at DATETIME NOT NULL, 
	fact JSON NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (seq), 
	CONSTRAINT uq_events_room_id UNIQUE (room, id)
);
INSERT INTO "events" VALUES(1,'e-0','salle-b12','lesson.started','2026-11-23 13:02:03.456789','2026-11-23 13:02:03.456789','{"kind": "lesson.started", "lesson": "l-1", "origin": "panel"}');
INSERT INTO "events" VALUES(2,'e-1','salle-b12','viewer.joined','2026-11-23 14:02:03.456789','2026-11-23 14:02:03.456789','{"kind": "viewer.joined", "viewer": "v-1"}');
INSERT INTO "events" VALUES(3,'e-2','salle-b12','from.the-future','2026-11-23 15:02:03.456789','2026-11-23 15:02:03.456789','{"kind": "from.the-future", "mot": "\u00e9t\u00e9"}');
CREATE TABLE lessons (
	id VARCHAR(64) NOT NULL, 
	room VARCHAR(48) NOT NULL, 
	code_turn INTEGER NOT NULL, 
	known_as VARCHAR(64), 
	made_at DATETIME NOT NULL, 
	started_at DATETIME, 
	ended_at DATETIME, 
	CONSTRAINT pk_lessons PRIMARY KEY (id), 
	CONSTRAINT fk_lessons_room_rooms FOREIGN KEY(room) REFERENCES rooms (id) ON DELETE CASCADE
);
INSERT INTO "lessons" VALUES('l-1','salle-b12',2,'x-9','2026-11-23 13:02:03.456789','2026-11-23 13:02:03.456789','2026-11-23 14:02:03.456789');
INSERT INTO "lessons" VALUES('l-2','salle-b12',0,NULL,'2026-11-23 14:02:03.456789',NULL,NULL);
CREATE TABLE links (
	id VARCHAR(64) NOT NULL, 
	room VARCHAR(48) NOT NULL, 
	made_at DATETIME NOT NULL, 
	withdrawn_at DATETIME, 
	CONSTRAINT pk_links PRIMARY KEY (id), 
	CONSTRAINT fk_links_room_rooms FOREIGN KEY(room) REFERENCES rooms (id) ON DELETE CASCADE
);
INSERT INTO "links" VALUES('k-1','salle-b12','2026-11-23 13:02:03.456789',NULL);
INSERT INTO "links" VALUES('k-2','amphi-1','2026-11-23 13:02:03.456789','2026-11-23 14:02:03.456789');
CREATE TABLE room_last (
	room VARCHAR(48) NOT NULL, 
	heard_at DATETIME NOT NULL, 
	state JSON, 
	health JSON, 
	agent VARCHAR(32), 
	CONSTRAINT pk_room_last PRIMARY KEY (room), 
	CONSTRAINT fk_room_last_room_rooms FOREIGN KEY(room) REFERENCES rooms (id) ON DELETE CASCADE
);
INSERT INTO "room_last" VALUES('salle-b12','2026-11-23 13:02:03.456789','{"sid": "5f2c", "state": "degraded", "lesson": {"id": "l-1", "started_at": "2026-11-23T13:02:00Z", "origin": "panel"}, "paused": false, "frozen": true, "recording": true, "on_air": {"camera": true, "board": true, "sound": false}, "sign": "live", "viewers": 8, "devices": [{"id": "front", "role": "camera", "name": "Cam\u00e9ra de la salle", "driver": "v4l2", "is_open": true, "status": "critical", "since": "2026-11-23T13:02:00Z", "problem": {"code": "device-lost", "message": "camera \"front\": the capture process was killed by signal 9", "retry_after_s": null}, "in_use": null}], "checks": [{"id": "microphone", "status": "warning", "since": "2026-11-23T13:02:00Z", "value": -90.0, "unit": "dBFS", "message": {"fr": "Le micro est coup\u00e9 sur son interrupteur.", "en": "The microphone is muted on its own switch."}, "remedy": null}], "proposal": {"id": "p-1", "actor": "admin", "expires_at": "2026-11-23T13:02:00Z"}, "config_rev": 3, "problem": null, "at": "2026-11-23T13:02:00Z"}','{"sid": "5f2c", "seq": 7, "uptime_s": 3600.5, "cpu_percent": 41.5, "memory_mb": 212.0, "viewers": 8, "tracks": {"camera": {"captured_hz": 30.0, "encoded_hz": 30.0, "bitrate_bps": 1480000, "is_stand_in": false}}, "checks": [{"id": "microphone", "status": "warning", "since": "2026-11-23T13:02:00Z", "value": -90.0, "unit": "dBFS", "message": {"fr": "Le micro est coup\u00e9 sur son interrupteur.", "en": "The microphone is muted on its own switch."}, "remedy": null}]}','0.1.0');
INSERT INTO "room_last" VALUES('amphi-1','2026-11-23 13:02:03.456789',NULL,NULL,NULL);
CREATE TABLE rooms (
	id VARCHAR(48) NOT NULL, 
	territory VARCHAR(48) NOT NULL, 
	name VARCHAR(120) NOT NULL, 
	added_at DATETIME NOT NULL, 
	config_rev INTEGER NOT NULL, 
	config_sha256 VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_rooms PRIMARY KEY (id)
);
INSERT INTO "rooms" VALUES('salle-b12','075','Salle B12 (l''été)','2026-11-23 13:02:03.456789',3,'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
INSERT INTO "rooms" VALUES('salle-b13','075','Salle B13','2026-11-23 13:02:03.456789',0,'');
INSERT INTO "rooms" VALUES('amphi-1','013','Amphithéâtre « Mistral »','2026-11-23 13:02:03.456789',1,'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb');
CREATE TABLE sessions (
	token_sha256 VARCHAR(64) NOT NULL, 
	user VARCHAR(80) NOT NULL, 
	created_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	CONSTRAINT pk_sessions PRIMARY KEY (token_sha256), 
	CONSTRAINT fk_sessions_user_users FOREIGN KEY(user) REFERENCES users (name) ON DELETE CASCADE
);
INSERT INTO "sessions" VALUES('cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc','admin','2026-11-23 13:02:03.456789','2026-11-23 14:02:03.456789');
CREATE TABLE users (
	name VARCHAR(80) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	password_hash VARCHAR(200) NOT NULL, 
	added_at DATETIME NOT NULL, 
	CONSTRAINT pk_users PRIMARY KEY (name)
);
INSERT INTO "users" VALUES('admin','admin','$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA','2026-11-23 13:02:03.456789');
INSERT INTO "users" VALUES('é. regarde','viewer','$argon2id$v=19$m=65536,t=3,p=4$c2FsdB$aGFzaB','2026-11-23 14:02:03.456789');
CREATE INDEX ix_sessions_user ON sessions (user);
CREATE INDEX ix_lessons_room ON lessons (room);
CREATE INDEX ix_links_room ON links (room);
CREATE INDEX ix_events_room_at ON events (room, at);
CREATE INDEX ix_audit_at ON audit (at);
COMMIT;
