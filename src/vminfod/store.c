typedef int v_store;
