/*
 * model_image.c
 *	  Models in memory that all server processes share.
 *
 * The files lie where the server keeps its temporary files, under names that
 * begin as those do: so they are removed when the server starts or recovers
 * from a crash, and no base backup has them.  A file is written under another
 * name and renamed when it is whole, and never changed afterwards; it ends by
 * being unlinked.  Who has mapped it notices neither.
 *
 * A file is believed to be ours if its header is authenticated with a secret of
 * this cluster and names the file it stands in: inode, size, and time of
 * modification.  One that was copied, cut off or written to is none of ours.
 *
 * From opening a file to closing it nothing here raises an error.  This file
 * must never know which versions there are, nor look at privileges.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "commands/dbcommands.h"
#include "common/file_utils.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "model_image.h"
#include "version.h"

#define DIRECTORY	"base/" PG_TEMP_FILES_DIR
#define NAME_START	PG_TEMP_FILE_PREFIX "_textclf_"
#define NAME_DIGEST	(2 * MODEL_DIGEST_SIZE)	/* hex digits */

#define IMAGE_START	4096		/* where in its file an image begins */
#define MAGIC		"textclf1"

#define WRITE_BYTES			(1024 * 1024)	/* at most, between looks for interrupts */
#define UNUSED_SECONDS		(24 * 3600)	/* nobody maps a file: it goes */
#define ABANDONED_SECONDS	3600	/* nobody completes a file: it goes */

/* At the start of a file. */
typedef struct FileHeader
{
	char		magic[8];
	uint64		layout;			/* clf_image_layout() */
	uint64		size;			/* of the file */
	uint64		inode;
	int64		modified;		/* whole seconds; what writes to a file sets others */
	uint8		digest[MODEL_DIGEST_SIZE];
	char		release[16];	/* of textclf */
	uint8		mac[PG_SHA256_DIGEST_LENGTH];
} FileHeader;

/* ---- names ------------------------------------------------------------ */

/*
 * pgsql_tmp_textclf_DATABASE_DIGEST_LAYOUT; a file that is not whole has the
 * number of the process behind that.
 */
static void
image_path(char path[MAXPGPATH], const uint8 *digest, uint64 layout)
{
	int			length = snprintf(path, MAXPGPATH, DIRECTORY "/" NAME_START "%u_", MyDatabaseId);

	for (int i = 0; i < MODEL_DIGEST_SIZE; i++)
		length += snprintf(path + length, MAXPGPATH - length, "%02x", digest[i]);
	snprintf(path + length, MAXPGPATH - length, "_" UINT64_FORMAT, layout);
}

/* One file of ours. */
typedef struct ImageFile
{
	char		path[MAXPGPATH];
	Oid			database;
	uint8		digest[MODEL_DIGEST_SIZE];
	bool		whole;
	off_t		size;
	time_t		modified;
	time_t		mapped;			/* when that was done last */
} ImageFile;

/* Take a name apart; false if it is not one of ours. */
static bool
parse_name(const char *name, ImageFile *file)
{
	const char *at;
	char	   *end;

	if (strncmp(name, NAME_START, strlen(NAME_START)) != 0)
		return false;
	file->database = (Oid) strtoul(name + strlen(NAME_START), &end, 10);
	if (*end != '_')
		return false;
	at = end + 1;
	if (strspn(at, "0123456789abcdef") != NAME_DIGEST || at[NAME_DIGEST] != '_')
		return false;
	for (int i = 0; i < MODEL_DIGEST_SIZE; i++)
	{
		char		byte[3] = {at[2 * i], at[2 * i + 1], '\0'};

		file->digest[i] = (uint8) strtoul(byte, NULL, 16);
	}
	file->whole = strchr(at, '.') == NULL;
	return true;
}

/* All files of ours (ImageFile *), in CurrentMemoryContext. */
static List *
list_files(void)
{
	List	   *files = NIL;
	DIR		   *directory = AllocateDir(DIRECTORY);
	struct dirent *entry;

	if (directory == NULL)
		return NIL;
	while ((entry = ReadDirExtended(directory, DIRECTORY, DEBUG1)) != NULL)
	{
		ImageFile	file;
		struct stat status;

		if (!parse_name(entry->d_name, &file))
			continue;
		snprintf(file.path, MAXPGPATH, DIRECTORY "/%s", entry->d_name);
		if (lstat(file.path, &status) < 0)
			continue;
		file.size = status.st_size;
		file.modified = status.st_mtime;
		file.mapped = status.st_atime;
		files = lappend(files, memcpy(palloc(sizeof(file)), &file, sizeof(file)));
	}
	FreeDir(directory);
	return files;
}

/* ---- headers ---------------------------------------------------------- */

/* Fill in the header of a file as its status is, without the authentication. */
static void
make_header(FileHeader *header, const uint8 *digest, uint64 layout, const struct stat *status)
{
	memset(header, 0, sizeof(*header));
	memcpy(header->magic, MAGIC, sizeof(header->magic));
	header->layout = layout;
	header->size = status->st_size;
	header->inode = status->st_ino;
	header->modified = status->st_mtime;
	memcpy(header->digest, digest, MODEL_DIGEST_SIZE);
	strlcpy(header->release, TEXTCLF_VERSION, sizeof(header->release));
}

/*
 * Authenticate a header, by what nobody outside the cluster knows and by the
 * start of the server, as files are not to outlive that.
 */
static bool
authenticate(pg_hmac_ctx *hmac, const FileHeader *header, uint8 *mac)
{
	return pg_hmac_init(hmac, (const uint8 *) GetMockAuthenticationNonce(), MOCK_AUTH_NONCE_LEN) >= 0 &&
		pg_hmac_update(hmac, (const uint8 *) &PgStartTime, sizeof(PgStartTime)) >= 0 &&
		pg_hmac_update(hmac, (const uint8 *) header, offsetof(FileHeader, mac)) >= 0 &&
		pg_hmac_final(hmac, mac, PG_SHA256_DIGEST_LENGTH) >= 0;
}

/* Was a header authenticated by this server? */
static bool
is_authentic(const FileHeader *header)
{
	pg_hmac_ctx *hmac = pg_hmac_create(PG_SHA256);
	uint8		mac[PG_SHA256_DIGEST_LENGTH];
	bool		authentic = hmac != NULL && authenticate(hmac, header, mac) &&
		memcmp(mac, header->mac, sizeof(mac)) == 0;

	pg_hmac_free(hmac);
	return authentic;
}

/* ---- attaching -------------------------------------------------------- */

/* A mapped file; unmapped with the context that it was registered with. */
typedef struct Mapping
{
	MemoryContextCallback callback;
	void	   *address;		/* NULL: not mapped */
	Size		size;
	FileHeader	expected;		/* by the status of the file */
	FileHeader	found;
} Mapping;

static void
unmap(void *argument)
{
	Mapping    *mapping = argument;

	if (mapping->address != NULL)
		munmap(mapping->address, mapping->size);
	mapping->address = NULL;
}

/* Map an open file if its status is that of a file of ours. */
static void
map_file(Mapping *mapping, int fd, const uint8 *digest, uint64 layout)
{
	const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
	struct stat status;
	void	   *address;

	if (fstat(fd, &status) < 0 ||
		!S_ISREG(status.st_mode) || (status.st_mode & 07777) != (S_IRUSR | S_IWUSR) ||
		status.st_uid != geteuid() || status.st_size <= IMAGE_START ||
		status.st_mtim.tv_nsec != 0 ||
		pread(fd, &mapping->found, sizeof(mapping->found), 0) != sizeof(mapping->found))
		return;
	make_header(&mapping->expected, digest, layout, &status);
	if (memcmp(&mapping->expected, &mapping->found, offsetof(FileHeader, mac)) != 0)
		return;
	address = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (address == MAP_FAILED)
		return;
	mapping->address = address;
	mapping->size = status.st_size;
	(void) futimens(fd, now);	/* for ModelImageSweep */
}

ClfModel *
ModelImageAttach(const uint8 *digest, MemoryContext context, Size *mapped)
{
	ClfAllocator allocator = EngineAllocator(context);
	uint64		layout = clf_image_layout();
	char		path[MAXPGPATH];
	Mapping    *mapping;
	ClfModel   *model;
	ClfError	error;
	int			fd;

	if (textclf_shared_cache_size == 0 || !IsUnderPostmaster)
		return NULL;
	mapping = MemoryContextAllocZero(context, sizeof(Mapping));
	mapping->callback.func = unmap;
	mapping->callback.arg = mapping;
	MemoryContextRegisterResetCallback(context, &mapping->callback);

	image_path(path, digest, layout);
	fd = BasicOpenFilePerm(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY, 0);
	if (fd < 0)
		return NULL;
	map_file(mapping, fd, digest, layout);
	close(fd);
	if (mapping->address == NULL || !is_authentic(&mapping->found) ||
		clf_image_attach(&allocator, (char *) mapping->address + IMAGE_START,
						 mapping->size - IMAGE_START, &model, &error) != CLF_OK)
	{
		unmap(mapping);
		ereport(DEBUG1,
				(errmsg_internal("file \"%s\" is not an image of this server", path)));
		return NULL;
	}
	*mapped = mapping->size;
	return model;
}

/* ---- publishing ------------------------------------------------------- */

/* ClfImageWrite.  Who is asked to stop does not write on. */
static bool
write_bytes(void *context, const void *bytes, size_t size)
{
	int			fd = *(int *) context;
	const char *at = bytes;

	while (size > 0)
	{
		ssize_t		written;

		if (QueryCancelPending || ProcDiePending)
		{
			errno = EINTR;
			return false;
		}
		errno = 0;
		written = write(fd, at, Min(size, WRITE_BYTES));
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			if (errno == 0)
				errno = ENOSPC;
			return false;
		}
		at += written;
		size -= written;
	}
	return true;
}

/* Create a file, and the directory if need be. */
static int
create_file(const char *path)
{
	int			flags = O_CREAT | O_EXCL | O_RDWR | PG_BINARY;
	int			fd = BasicOpenFilePerm(path, flags, S_IRUSR | S_IWUSR);

	if (fd < 0 && errno == ENOENT && MakePGDirectory(DIRECTORY) == 0)
		fd = BasicOpenFilePerm(path, flags, S_IRUSR | S_IWUSR);
	if (fd < 0 && errno == EEXIST && unlink(path) == 0)	/* of a process of the same number */
		fd = BasicOpenFilePerm(path, flags, S_IRUSR | S_IWUSR);
	return fd;
}

/* Write image and header to a new file; false, with errno, if that fails. */
static bool
fill_file(int fd, pg_hmac_ctx *hmac, const uint8 *digest, uint64 layout,
		  const ClfModel *model, const ClfAllocator *allocator)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = 0}};
	size_t		limit = GucKilobytes(textclf_shared_cache_size);
	struct stat status;
	FileHeader	header;
	ClfError	error;

	if (lseek(fd, IMAGE_START, SEEK_SET) < 0)
		return false;
	errno = EFBIG;				/* if nothing is written */
	if (clf_image_write(model, allocator, Max(limit, IMAGE_START) - IMAGE_START,
						write_bytes, &fd, &error) != CLF_OK ||
		fstat(fd, &status) < 0)
		return false;
	status.st_mtime = time(NULL);
	make_header(&header, digest, layout, &status);
	if (!authenticate(hmac, &header, header.mac))
		return false;
	times[1].tv_sec = header.modified;
	return pwrite(fd, &header, sizeof(header), 0) == sizeof(header) &&
		futimens(fd, times) == 0;
}

/* Write a new file whole; false, with errno and without the file, if that fails. */
static bool
write_file(const char *path, pg_hmac_ctx *hmac, const uint8 *digest, uint64 layout,
		   const ClfModel *model, const ClfAllocator *allocator)
{
	int			fd = create_file(path);
	bool		done;
	int			saved_errno;

	if (fd < 0)
		return false;
	done = fill_file(fd, hmac, digest, layout, model, allocator);
	saved_errno = errno;
	close(fd);
	if (!done)
		unlink(path);
	errno = saved_errno;
	return done;
}

void
ModelImagePublish(const uint8 *digest, const ClfModel *model)
{
	MemoryContext context;
	ClfAllocator allocator;
	pg_hmac_ctx *hmac;
	uint64		layout = clf_image_layout();
	char		path[MAXPGPATH];
	char		part[MAXPGPATH + 16];
	Size		mapped;
	bool		done;

	if (textclf_shared_cache_size == 0 || !IsUnderPostmaster)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "textclf image",
									ALLOCSET_DEFAULT_SIZES);
	allocator = EngineAllocator(context);
	image_path(path, digest, layout);
	snprintf(part, sizeof(part), "%s.%d", path, MyProcPid);

	hmac = pg_hmac_create(PG_SHA256);	/* now, as it may raise an error */
	done = hmac != NULL && write_file(part, hmac, digest, layout, model, &allocator);
	/* many may have begun at once: all use the file of the first */
	if (done && (ModelImageAttach(digest, context, &mapped) != NULL || rename(part, path) < 0))
		unlink(part);
	if (!done)
		ereport(DEBUG1,
				(errmsg_internal("could not share a model in file \"%s\": %m", path)));
	pg_hmac_free(hmac);
	MemoryContextDelete(context);
}

/* ---- removing --------------------------------------------------------- */

/* Versions dropped by this transaction, in TopTransactionContext. */
static List *forgotten = NIL;

static bool
is_among(const uint8 *digest, List *digests)
{
	ListCell   *cell;

	foreach(cell, digests)
		if (memcmp(lfirst(cell), digest, MODEL_DIGEST_SIZE) == 0)
			return true;
	return false;
}

List *
ModelImageDigests(void)
{
	List	   *digests = NIL;
	ListCell   *cell;

	foreach(cell, list_files())
	{
		ImageFile  *file = lfirst(cell);

		if (file->database == MyDatabaseId && !is_among(file->digest, digests))
			digests = lappend(digests, file->digest);
	}
	return digests;
}

/* list_sort comparator: the most recently mapped first */
static int
compare_mapped(const ListCell *a, const ListCell *b)
{
	const ImageFile *first = lfirst(a);
	const ImageFile *second = lfirst(b);

	return (second->mapped > first->mapped) - (second->mapped < first->mapped);
}

void
ModelImageSweep(List *gone)
{
	List	   *files = list_files();
	time_t		now = time(NULL);
	Size		total = 0;
	ListCell   *cell;

	list_sort(files, compare_mapped);
	foreach(cell, files)
	{
		const ImageFile *file = lfirst(cell);

		if (file->whole ?
			((file->database == MyDatabaseId && is_among(file->digest, gone)) ||
			 now - file->mapped > UNUSED_SECONDS ||
			 total + file->size > GucKilobytes(textclf_shared_cache_size) ||
			 get_database_name(file->database) == NULL) :
			now - file->modified > ABANDONED_SECONDS)
			unlink(file->path);
		else
			total += file->size;
	}
}

/* Callback at the end of a transaction. */
static void
transaction_ended(XactEvent event, void *argument)
{
	ListCell   *cell;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			foreach(cell, forgotten)
			{
				char		path[MAXPGPATH];

				image_path(path, lfirst(cell), clf_image_layout());
				unlink(path);
			}
			forgotten = NIL;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:	/* the next sweep sees what became of it */
			forgotten = NIL;
			break;
		default:
			break;
	}
}

void
ModelImageForget(const uint8 *digest)
{
	static bool registered = false;
	MemoryContext old;

	if (!registered)
		RegisterXactCallback(transaction_ended, NULL);
	registered = true;
	old = MemoryContextSwitchTo(TopTransactionContext);
	forgotten = lappend(forgotten, memcpy(palloc(MODEL_DIGEST_SIZE), digest, MODEL_DIGEST_SIZE));
	MemoryContextSwitchTo(old);
}
