/* A Modbus server on libmodbus, as an oracle for the master: unit 1, numbers in every order of words and bytes.
 *
 * cc -o server libmodbus_server.c -lmodbus; ./server tcp (prints its port) or ./server rtu DEVICE.
 * The order of octets is written out by hand, and libmodbus's own readers of floats must agree with it. Its writers
 * cannot be used: those of 3.1.6 write another order than its readers read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY 60 /* the input register whose read is answered with exception 6 */

/* Put octets, most significant first, into registers: words in order or reversed, bytes in order or swapped. */
static void put(uint16_t *at, const uint8_t *octets, int words, int reversed, int swapped)
{
    for (int i = 0; i < words; i++) {
        const uint8_t *pair = octets + 2 * (reversed ? words - 1 - i : i);

        at[i] = swapped ? (uint16_t)(pair[1] << 8 | pair[0]) : (uint16_t)(pair[0] << 8 | pair[1]);
    }
}

static void fill(modbus_mapping_t *t)
{
    static const uint8_t u32[4] = {0xde, 0xad, 0xbe, 0xef};
    static const uint8_t f32[4] = {0xc4, 0x9a, 0x50, 0x00}; /* -1234.5 */
    static const uint8_t u64[8] = {0x00, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde};
    static const uint8_t f64[8] = {0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18}; /* pi */
    uint16_t *r = t->tab_registers;

    for (int order = 0; order < 4; order++) {
        put(r + 2 * order, u32, 2, order & 1, order >> 1);
        put(r + 8 + 2 * order, f32, 2, order & 1, order >> 1);
        put(r + 16 + 4 * order, u64, 4, order & 1, order >> 1);
        put(r + 32 + 4 * order, f64, 4, order & 1, order >> 1);
    }
    r[48] = 0x8001;
    for (int i = 0; i < 4; i++) /* a text whose first character is in the low byte */
        r[49 + i] = (uint16_t)("SN 701\0"[2 * i] | "SN 701\0"[2 * i + 1] << 8);
    for (int i = 0; i < 64; i++)
        t->tab_input_registers[i] = (uint16_t)(1000 + i);
    for (int i = 0; i < 40; i++) {
        t->tab_bits[i] = i % 3 == 0;
        t->tab_input_bits[i] = i % 5 == 0;
    }
}

static int floats_agree(const uint16_t *r)
{
    return modbus_get_float_abcd(r) == -1234.5f && modbus_get_float_cdab(r + 2) == -1234.5f
        && modbus_get_float_badc(r + 4) == -1234.5f && modbus_get_float_dcba(r + 6) == -1234.5f;
}

static void serve(modbus_t *m, modbus_mapping_t *tables, int tcp)
{
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int head = modbus_get_header_length(m);

    for (;;) {
        int n = modbus_receive(m, query);

        if (n > 0 && query[head] == 4 && (query[head + 1] << 8 | query[head + 2]) == BUSY)
            modbus_reply_exception(m, query, MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY);
        else if (n > 0)
            modbus_reply(m, query, n, tables);
        else if (n == -1 && (tcp || errno != EMBBADCRC))
            return;
    }
}

static int serve_tcp(modbus_t *m, modbus_mapping_t *tables)
{
    struct sockaddr_in where;
    socklen_t size = sizeof where;
    int listener = modbus_tcp_listen(m, 1);

    if (listener < 0 || getsockname(listener, (struct sockaddr *)&where, &size))
        return 1;
    printf("%d\n", ntohs(where.sin_port));
    fflush(stdout);
    while (modbus_tcp_accept(m, &listener) >= 0) {
        serve(m, tables, 1);
        modbus_close(m);
    }
    return 1;
}

int main(int argc, char **argv)
{
    modbus_mapping_t *tables = modbus_mapping_new(40, 40, 53, 64);
    int tcp = argc == 2 && !strcmp(argv[1], "tcp");
    modbus_t *m = tcp ? modbus_new_tcp("127.0.0.1", 0) : modbus_new_rtu(argv[argc - 1], 115200, 'N', 8, 1);

    if (argc < 2 || !m || !tables)
        return 2;
    modbus_set_slave(m, 1);
    fill(tables);
    if (!floats_agree(tables->tab_registers + 8))
        return 3;
    if (tcp)
        return serve_tcp(m, tables);
    if (modbus_connect(m))
        return 1;
    printf("ready\n");
    fflush(stdout);
    serve(m, tables, 0);
    return 0;
}
